/** What a tool call does, by its name and its arguments, as it will run. */
import { analyse } from "../shell/Analysis.ts"
import type { Effect, Part } from "../shell/Part.ts"
import type { ToolEffect } from "../Tool.ts"
import { argumentsIn, textIn } from "./Arguments.ts"
import { dangerOfEdit, dangerOfRead } from "./DangerousFiles.ts"
import { type Places, resolve } from "./Paths.ts"

export interface Call {
  readonly name: string
  /** The arguments as JSON text. */
  readonly input: string
  /** What the tool says of itself. With `edit` it changes files of the workspace and nothing else. */
  readonly effect: ToolEffect | "edit"
  /** The server's own tool, so that its name says what its arguments mean. A client's tool may have any name. */
  readonly own: boolean
}

export interface Judged {
  /** What a rule's content means for the tool. */
  readonly kind: "shell" | "path" | "domain" | "other"
  readonly parts: ReadonlyArray<Part>
  /** Why the parts may not be all that it does. */
  readonly unclear: string | undefined
  /** The command, or the host. */
  readonly text: string
}

const part = (effect: Effect, more: Partial<Part> = {}): Part => ({
  type: "command",
  words: [],
  effect,
  reads: [],
  writes: [],
  danger: undefined,
  least: 1,
  whole: false,
  ...more
})

const pathCall = (args: unknown, name: string, effect: "read" | "edit", places: Places, otherwise?: string): Judged => {
  const path = textIn(args, name) ?? otherwise
  const absolute = path === undefined ? undefined : resolve(places.cwd, path)
  const named = absolute === undefined ? [] : [absolute]
  const judged = effect === "read"
    ? part("read", { reads: named, danger: absolute && dangerOfRead(absolute) })
    : part(absolute === undefined ? "unknown" : "edit", { writes: named, danger: absolute && dangerOfEdit(absolute) })
  return {
    kind: "path",
    parts: [judged],
    unclear: absolute === undefined ? "has no path" : undefined,
    text: path ?? ""
  }
}

/** The host as it is dialled; undefined when the address is none that a fetch takes. */
const hostOf = (url: string): string | undefined => {
  if (!URL.canParse(url)) return undefined
  const { hostname, password, protocol, username } = new URL(url)
  const isWeb = protocol === "https:" || protocol === "http:"
  return isWeb && username === "" && password === "" && hostname !== "" ? hostname.replace(/\.$/, "") : undefined
}

type Reading = (args: unknown, places: Places) => Judged

const shell: Reading = (args, places) => {
  const command = textIn(args, "command")
  if (command === undefined) return { kind: "shell", parts: [part("unknown")], unclear: "has no command", text: "" }
  const { parts, unclear } = analyse(command, places)
  return { kind: "shell", parts, unclear, text: command }
}

const fetching: Reading = (args) => {
  const host = hostOf(textIn(args, "url") ?? "")
  return {
    kind: "domain",
    parts: [part("network")],
    unclear: host === undefined ? "has no address" : undefined,
    text: host ?? ""
  }
}

/** The built-in tools whose arguments say what a call does. */
const readings: ReadonlyMap<string, Reading> = new Map<string, Reading>([
  ["Bash", shell],
  ["Read", (args, places) => pathCall(args, "file_path", "read", places)],
  ["Write", (args, places) => pathCall(args, "file_path", "edit", places)],
  ["Edit", (args, places) => pathCall(args, "file_path", "edit", places)],
  ["Glob", (args, places) => pathCall(args, "path", "read", places, ".")],
  ["Grep", (args, places) => pathCall(args, "path", "read", places, ".")],
  ["WebFetch", fetching]
])

const ownEffect = (effect: Call["effect"]): Effect =>
  effect === "write" ? "unknown" : effect === "edit" ? "edit" : "read"

export const judgeCall = ({ effect, input, name, own }: Call, places: Places): Judged => {
  const reading = own ? readings.get(name) : undefined
  return reading === undefined
    ? { kind: "other", parts: [part(ownEffect(effect))], unclear: undefined, text: "" }
    : reading(argumentsIn(input), places)
}
