/** Whether rules hold for a call. What cannot be evaluated denies, asks, and allows nothing. */
import { type PermissionRule, type Rules, rulesOf } from "../Permission.ts"
import { editors } from "../shell/Editors.ts"
import type { Part } from "../shell/Part.ts"
import { interpreters, programs } from "../shell/Programs.ts"
import { saysTooLittle } from "../shell/Usual.ts"
import type { Call, Judged } from "./Call.ts"
import { type Budget, matchPath, matchText } from "./Glob.ts"
import { type Places, resolve } from "./Paths.ts"

/** Rules on the tool, and those on all tools of its server, which are named `server__*`. */
const rulesOn = (rules: Rules, name: string): ReadonlyArray<PermissionRule> => {
  const found = [...rulesOf(rules, name)]
  for (let at = name.indexOf("__"); at > 0; at = name.indexOf("__", at + 1)) {
    found.push(...rulesOf(rules, `${name.slice(0, at)}__*`))
  }
  return found
}

const prefixOf = (content: string) => content.endsWith(":*") ? content.slice(0, -2).trim() : undefined

/** The words up to the first that nobody knows. */
const knownText = ({ words }: Part) => {
  const end = words.indexOf(undefined)
  return { text: (end < 0 ? words : words.slice(0, end)).join(" "), isWhole: end < 0 }
}

/** Searches in time that grows with both texts and not with their product. */
const includes = (text: string, part: string, budget: Budget) => {
  budget.left -= text.length + part.length
  return budget.left < 0
    ? undefined
    : part.length <= 64
    ? text.includes(part)
    : matchText(`*${part.replaceAll(/[*?]/g, "?")}*`, text, budget)
}

const mayHoldFor = (content: string, part: Part, budget: Budget): boolean => {
  const { isWhole, text } = knownText(part)
  // A program may be named by its path.
  const forms = [text, text.replace(/^[^ ]*\//, "")]
  const prefix = prefixOf(content)
  const fixed = prefix ?? content.split("*", 1)[0]!
  budget.left -= text.length
  if (!isWhole && forms.some((form) => fixed.startsWith(form) || (prefix === undefined && form.includes(fixed)))) {
    return true
  }
  if (prefix !== undefined) return forms.some((form) => form.startsWith(prefix))
  if (content.includes("*")) return matchText(`*${content}*`, text, budget) !== false
  return includes(text, content, budget) !== false
}

const mayHoldInShell = (content: string, { parts, text, unclear }: Judged, budget: Budget): boolean => {
  const prefix = prefixOf(content)
  const trimmed = text.trim()
  return unclear !== undefined ||
    (prefix === undefined ? includes(text, content, budget) !== false : trimmed.startsWith(prefix)) ||
    parts.some((part) => part.type === "command" && mayHoldFor(content, part, budget))
}

/** A pattern that names no folder holds in all of them, and case does not count. */
const mayHoldForPath = (content: string, path: string, places: Places, budget: Budget): boolean => {
  const pattern = content.includes("/") || content.startsWith("~") ? resolve(places.home, content) : `/**/${content}`
  return pattern === undefined || matchPath(pattern.toLowerCase(), path.toLowerCase(), budget) !== false
}

const mayHoldForHost = (content: string, host: string): boolean => {
  const domain = content.replace(/^domain:/, "").replace(/^\*\./, "").toLowerCase()
  return host === domain || host.endsWith(`.${domain}`) || /[*/:]/.test(domain)
}

/** Whether a rule that denies or asks may hold. */
export const mayHold = (rules: Rules, call: Call, judged: Judged, places: Places, budget: Budget): boolean => {
  const { kind, parts, text, unclear } = judged
  const named = rulesOn(rules, call.name).some(({ rule_content: content }) => {
    if (content === null || unclear !== undefined || kind === "other") return true
    if (kind === "shell") return mayHoldInShell(content, judged, budget)
    if (kind === "domain") return mayHoldForHost(content, text)
    return parts.some(({ reads, writes }) =>
      [...reads, ...writes].some((path) => mayHoldForPath(content, path, places, budget))
    )
  })
  if (named || kind !== "shell") return named
  // A rule on files holds as well for a command that names the file.
  const onFiles = (tool: string, paths: ReadonlyArray<string>) =>
    rulesOf(rules, tool).some(({ rule_content: content }) =>
      content !== null && paths.some((path) => mayHoldForPath(content, path, places, budget))
    )
  return onFiles("Read", parts.flatMap(({ reads }) => reads)) ||
    ["Write", "Edit"].some((tool) => onFiles(tool, parts.flatMap(({ writes }) => writes)))
}

/** Programs for which a word may turn a harmless call into a dangerous one. */
const isDelicate = (name: string) => editors.has(name) || programs.has(name) || interpreters.has(name)

/** A word that nobody knows is fine where it cannot be an option: the text of a message, or an argument of a program that has no dangerous ones. */
const isOpen = ({ words }: Part) =>
  words.some((word, at) =>
    word === undefined && isDelicate(words[0] ?? "") && !/^(?:-a?m|--message)$/.test(words[at - 1] ?? "")
  )

const allowsCommand = (content: string, part: Part): boolean => {
  const prefix = prefixOf(content)?.split(/\s+/)
  if (prefix === undefined || part.whole || prefix.length < part.least || prefix[0] === "") return false
  if (saysTooLittle(prefix, part)) return false
  return prefix.every((word, at) => part.words[at] === word) && !isOpen(part)
}

const allowsPath = (content: string, path: string, places: Places, budget: Budget): boolean => {
  if (content.split("/").includes("..")) return false
  const pattern = resolve(places.home, content)
  return pattern !== undefined && matchPath(pattern, path, budget) === true
}

const allowsHost = (content: string, host: string): boolean => {
  const domain = content.replace(/^domain:/, "").toLowerCase()
  return domain.startsWith("*.") ? host.endsWith(domain.slice(1)) : host === domain
}

/** Whether rules allow one part of a call. */
export const allows = (
  rules: Rules,
  call: Call,
  judged: Judged,
  part: Part,
  places: Places,
  budget: Budget
): boolean => {
  const { kind, text, unclear } = judged
  const onPath = (content: string) => {
    const paths = [...part.reads, ...part.writes]
    return unclear === undefined && paths.length > 0 && paths.every((path) => allowsPath(content, path, places, budget))
  }
  const named = rulesOn(rules, call.name).some(({ rule_content: content }) => {
    if (content === null) return true
    if (kind === "shell") {
      // A rule on the very text of the call: somebody has seen all of it.
      if (content.trim() === text.trim() && text.trim() !== "") return true
      return unclear === undefined && part.type === "command" && allowsCommand(content, part)
    }
    return kind === "path" ? onPath(content) : kind === "domain" && unclear === undefined && allowsHost(content, text)
  })
  if (named || kind !== "shell" || part.type !== "redirect" || part.effect !== "edit") return named
  return ["Write", "Edit"].some((tool) =>
    rulesOf(rules, tool).some(({ rule_content: content }) => content === null || onPath(content))
  )
}
