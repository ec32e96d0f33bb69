/** Rules that a person may want to keep with an answer. None is broader than what its text shows. */
import type { PermissionRule } from "../Permission.ts"
import { editors } from "../shell/Editors.ts"
import type { Part } from "../shell/Part.ts"
import { interpreters } from "../shell/Programs.ts"
import { saysTooLittle } from "../shell/Usual.ts"
import type { Call, Judged } from "./Call.ts"
import { isRootLike, type Places, shown } from "./Paths.ts"

/** Most rules that are suggested for one call; more would not be read. */
const maxSuggestions = 5

/** Longest command that is suggested as a whole, in characters. */
const maxWhole = 256

const rule = (tool_name: string, rule_content: string | null): PermissionRule => ({
  tool_name,
  rule_content,
  behavior: "allow",
  source: "suggestion"
})

/** Programs whose next word says what they do. */
const grouped = new Set(
  `git npm pnpm yarn bun npx pip pip3 uv poetry gem cargo go docker podman kubectl helm terraform gh aws gcloud az make
  systemctl apt apt-get brew dotnet mvn gradle bundle rails composer mix deno`.split(/\s+/)
)

/** Their next word is a group of its own. */
const nested =
  /^(?:(?:npm|pnpm|yarn|bun) run|docker compose|uv (?:run|pip)|go mod|poetry run|bundle exec|aws [a-z0-9-]+|gh [a-z]+|gcloud [a-z]+)$/

const isVerb = (word: string | undefined): word is string => word !== undefined && /^[A-Za-z][\w:.-]*$/.test(word)

/** A prefix that says enough: not of a program that runs or fetches anything, and not of one that deletes by path. */
const prefixOf = (part: Part): string | undefined => {
  const { effect, least, whole, words } = part
  const [name, verb, next] = words
  if (whole || least > 1 || name === undefined || !/^[\w.+-]+$/.test(name)) return undefined
  if (grouped.has(name)) {
    if (!isVerb(verb) || saysTooLittle([name, verb], part)) return undefined
    if (!nested.test(`${name} ${verb}`)) return `${name} ${verb}:*`
    return isVerb(next) ? `${name} ${verb} ${next}:*` : undefined
  }
  return effect !== "unknown" || interpreters.has(name) || editors.has(name) || saysTooLittle([name], part)
    ? undefined
    : `${name}:*`
}

const pathRule = (tool: string, path: string, places: Places): PermissionRule => {
  const folder = path.slice(0, path.lastIndexOf("/"))
  const isNarrow = folder !== "" && !isRootLike({ ...places, directories: [] }, folder) && !folder.startsWith("~")
  // A folder right under the root, as /tmp, is one that a person can see at a glance.
  return rule(
    tool,
    isNarrow || /^\/(?:tmp|data|workspace|srv|opt)$/.test(folder) ? `${shown(places, folder)}/**` : shown(places, path)
  )
}

const inShell = (
  call: Call,
  { parts, text, unclear }: Judged,
  missing: ReadonlyArray<Part>,
  places: Places
): ReadonlyArray<PermissionRule> => {
  const command = text.trim()
  const all = command !== "" && command.length <= maxWhole ? [rule(call.name, command)] : []
  if (unclear !== undefined || parts.some(({ words }) => words[0] === undefined)) return []
  const found = new Map<string, PermissionRule>()
  for (const part of missing) {
    const [path] = part.writes
    const prefix = part.type === "command" ? prefixOf(part) : undefined
    const one = part.type === "redirect"
      ? path === undefined ? undefined : pathRule("Write", path, places)
      : prefix === undefined
      ? undefined
      : rule(call.name, prefix)
    if (one === undefined) return all
    found.set(`${one.tool_name} ${one.rule_content}`, one)
  }
  return found.size <= maxSuggestions ? [...found.values()] : all
}

/** For the parts of the call that need permission and lack it. */
export const suggestions = (
  call: Call,
  judged: Judged,
  missing: ReadonlyArray<Part>,
  places: Places
): ReadonlyArray<PermissionRule> => {
  if (judged.parts.some(({ danger }) => danger !== undefined)) return []
  switch (judged.kind) {
    case "shell":
      return inShell(call, judged, missing, places)
    case "path":
      return missing.flatMap(({ reads, writes }) => [...reads, ...writes]).map((path) =>
        pathRule(call.name, path, places)
      )
    case "domain":
      return judged.unclear === undefined ? [rule(call.name, `domain:${judged.text}`)] : []
    case "other":
      return [rule(call.name, null)]
  }
}
