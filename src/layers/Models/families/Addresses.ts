/** Addresses as people copy them from documentation, put right: what the paths of an API are added to. */
import { withoutTrailing } from "../../../domain/Text.ts"

/** The paths of requests, with which addresses are copied. */
const endings = [
  "/chat/completions",
  "/completions",
  "/responses",
  "/messages",
  "/embeddings",
  "/models",
  "/api/chat",
  "/api/generate",
  "/api/tags"
]

/** Without slashes that are doubled or at the end, and without the path of a request. */
const tidy = (address: string): string => {
  if (!URL.canParse(address)) return address
  const { origin, pathname } = new URL(address)
  const plain = withoutTrailing(pathname.replaceAll(/\/{2,}/g, "/"), "/")
  const ending = endings.find((one) => plain.endsWith(one))
  return `${origin}${ending === undefined ? plain : withoutTrailing(plain.slice(0, -ending.length), "/")}`
}

/** The fields of credentials that are addresses. */
const names = ["base_url", "host"]

/** The same credential when its addresses are right already; else one of them, for as long as the first exists. */
export const tidied = <Credential extends object>(): (credential: Credential) => Credential => {
  const known = new WeakMap<Credential, Credential>()
  return (credential) => {
    const before = known.get(credential)
    if (before !== undefined) return before
    const right = { ...credential }
    for (const name of names) {
      const value: unknown = Reflect.get(credential, name)
      if (typeof value === "string") Reflect.set(right, name, tidy(value))
    }
    known.set(credential, right)
    return right
  }
}
