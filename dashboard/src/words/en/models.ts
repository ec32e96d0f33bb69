/** Texts of the screen of models. */
export const models = {
  title: "Models",
  about: "What is known of each model: what it takes and gives, how much it holds, and what it costs.",
  emptyTitle: "No models to show",
  emptyAbout: "Models are found through credentials. Add one, and its models appear here.",
  through: "Through",
  context: "Context",
  output: "Longest answer",
  takes: "Takes",
  gives: "Gives",
  price: "Price, in / out",
  priceAbout: "US dollars for a million tokens",
  unknown: "not known",
  free: "free",
  statuses: { active: "active", deprecated: "deprecated", sunset: "gone" },
  since: (day: string) => `since ${day}`,
  parameters: "Parameters",
  noParameters: "It has no parameters.",
  useIt: "Use it in an agent"
}
