/** Texts of forms that are drawn from a schema. */
export const forms = {
  required: "This is needed.",
  notNumber: "A number is expected.",
  notInteger: "A whole number is expected.",
  tooSmall: (least: number) => `At least ${least}.`,
  tooLarge: (most: number) => `At most ${most}.`,
  notMoreThan: (bound: number) => `More than ${bound}.`,
  notLessThan: (bound: number) => `Less than ${bound}.`,
  tooShort: (least: number) => `At least ${least} characters.`,
  tooLong: (most: number) => `At most ${most} characters.`,
  notUrl: "An address such as https://example.com is expected.",
  notPattern: "This does not have the expected form.",
  notJson: "This is not JSON.",
  unset: "Not set",
  kept: "Kept as it is. Write to replace it.",
  show: "Show",
  hide: "Hide",
  add: "Add",
  item: (index: number) => `Item ${index}`,
  removeItem: (index: number) => `Remove item ${index}`,
  advanced: "More options",
  choose: "Choose …"
}
