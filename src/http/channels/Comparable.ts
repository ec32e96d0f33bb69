/** What a request with the same key is compared by. */
import { createHash } from "node:crypto"

/** Longer texts are told apart by their hash: most of them are files. */
const maxCompared = 16 * 1024

export const comparable = (value: unknown): unknown => {
  if (typeof value === "string") {
    return value.length > maxCompared ? createHash("sha256").update(value).digest("base64url") : value
  }
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, comparable(member)]))
}
