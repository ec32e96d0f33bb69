/** Keeps secrets that a server elsewhere was given out of what it says. */

/** Takes the secrets that the server was given out of what it says. */
export type Veil = (text: string) => string

/** Shortest values that are looked for: words and small numbers are no secrets, and stand in many texts. */
const minSecret = 8
const minWord = 20

const isSecret = (value: string) => value.length >= (/\d/.test(value) ? minSecret : minWord)

export const veilOf = (secrets: ReadonlyArray<string>): Veil => {
  // The longest first: one may be part of another.
  const hidden = [...new Set(secrets)].filter(isSecret).toSorted((a, b) => b.length - a.length)
  return (text) => hidden.reduce((shown, secret) => shown.replaceAll(secret, "********"), text)
}

/** The same value with veiled texts; names of fields stay. Its depth is bounded by whoever parsed it. */
export const veiledIn = (value: unknown, veil: Veil): unknown => {
  if (typeof value === "string") return veil(value)
  if (Array.isArray(value)) return value.map((one) => veiledIn(one, veil))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, veiledIn(one, veil)]))
}
