/** A call's arguments, read in one way by who judges the call and by who runs it. */

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Models write no arguments as nothing, as null, or as an empty text; and some write their JSON into a JSON text. */
export const argumentsIn = (input: string): unknown => {
  if (input.trim() === "") return {}
  const value = parsed(input)
  if (value === null) return {}
  if (typeof value !== "string") return value
  const inner = value.trim() === "" ? {} : parsed(value) ?? value
  return inner === null ? {} : inner
}

/** One argument, when it is a text. */
export const textIn = (args: unknown, name: string): string | undefined => {
  const value = typeof args === "object" && args !== null
    ? Object.entries(args).find(([key]) => key === name)?.[1]
    : undefined
  return typeof value === "string" ? value : undefined
}
