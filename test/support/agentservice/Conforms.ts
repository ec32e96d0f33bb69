/** Holds what this server says against the classes of both versions. */
import { complaintOf } from "./Classes.ts"
import * as head from "./head.ts"
import * as v200 from "./v200.ts"

/**
 * Where strict clients still refuse us, on purpose or for now, with the reason:
 *
 * - 2.0.0 has no `CUSTOM`, `HINT_BLOCK` and `USER_INTERRUPT`; its own web UI passes over types that it does not know.
 * - The URL of a stored file is a path, because no server knows all names under which it is reached.
 * - Files in a steering input make a hint of blocks, and 2.0.0 knows hints of text alone.
 * - `structured_output` may be any JSON, and not an object alone, because the schema that was asked for may say so.
 */
const unknownTo200 = new Set(["CUSTOM", "HINT_BLOCK", "USER_INTERRUPT"])

const versions = [["2.0.0", v200], ["HEAD", head]] as const

export type ClassName = keyof typeof head.classes

const checks = versions.map(([name, version]) => ({
  name,
  events: new Map(Object.entries(version.events).map(([type, one]) => [type, complaintOf(one)])),
  classes: new Map(
    Object.entries(version.classes).map(([type, one]) => [type as ClassName, complaintOf(one)])
  )
}))

/** Complaints about an event, by version; none when both take it. */
export const complaintsAbout = (event: unknown): ReadonlyArray<string> => {
  const type = String((event as { readonly type?: unknown }).type)
  return checks.flatMap(({ events, name }) => {
    if (name === "2.0.0" && unknownTo200.has(type)) return []
    const check = events.get(type)
    const complaint = check === undefined ? "no such type" : check(event)
    return complaint === undefined ? [] : [`${name} ${type} ${complaint}`]
  })
}

/** The same for a message or a record. */
export const complaintsAboutA = (
  name: ClassName,
  value: unknown,
  only?: (typeof versions)[number][0]
): ReadonlyArray<string> =>
  checks.flatMap(({ classes, name: version }) => {
    const complaint = only === undefined || only === version ? classes.get(name)?.(value) : undefined
    return complaint === undefined ? [] : [`${version} ${name} ${complaint}`]
  })
