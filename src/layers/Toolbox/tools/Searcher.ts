/**
 * Matches names and lines in a thread of its own, with patterns that take linear time: neither a pattern nor a
 * file can hold the server up. The thread sees no files; it is handed their bytes.
 */
import { Data, Duration, Effect, type Scope } from "effect"
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"

/** Time for one question, and memory of the thread in megabytes. */
const longest = Duration.seconds(20)
const maxMegabytes = 256

/** The thread gave up: the search was too much, or took too long. */
export class SearchGaveUp extends Data.TaggedError("SearchGaveUp")<{ readonly message: string }> {}

/** What the thread does. As a text it needs no file of its own in any build. */
const program = String.raw`
const { parentPort, workerData: { file } } = require("node:worker_threads")
const { RE2JS } = require(file)

/** A glob as a regular expression. Without a slash it holds for the last name of a path. */
const regexOf = (glob, anchored) => {
  let text = ""
  let braces = 0
  const isPath = anchored || glob.slice(0, -1).includes("/")
  const from = glob.startsWith("/") ? 1 : 0
  for (let i = from; i < glob.length; i++) {
    const c = glob[i]
    if (c === "*") {
      if (glob[i + 1] === "*") {
        const atStart = i === from || glob[i - 1] === "/"
        while (glob[i + 1] === "*") i++
        if (atStart && glob[i + 1] === "/") { text += "(?:.*/)?"; i++ }
        else text += ".*"
      } else text += "[^/]*"
    } else if (c === "?") text += "[^/]"
    else if (c === "[") {
      const end = glob.indexOf("]", i + 2)
      if (end < 0) text += "\\["
      else {
        const inside = glob.slice(i + 1, end)
        const not = inside[0] === "!" || inside[0] === "^"
        text += "[" + (not ? "^/" : "") + (not ? inside.slice(1) : inside).replace(/[\\\[\]^]/g, "\\$&") + "]"
        i = end
      }
    } else if (c === "{" && glob.indexOf("}", i) > 0) { text += "(?:"; braces++ }
    else if (c === "}" && braces > 0) { text += ")"; braces-- }
    else if (c === "," && braces > 0) text += "|"
    else if (c === "\\" && i + 1 < glob.length) text += RE2JS.quote(glob[++i])
    else text += RE2JS.quote(c)
  }
  text += ")".repeat(braces)
  return RE2JS.compile("^" + (isPath ? "" : "(?:.*/)?") + text + "$", RE2JS.DOTALL)
}

const matches = (regex, text) => regex.matcher(text).find()

/** The rules of .gitignore files, those of folders further down later: the last that fits decides. */
let rules = []
const addRules = (base, text) => {
  for (const raw of text.split("\n").slice(0, 1000)) {
    let line = raw.replace(/\r$/, "").replace(/(?<!\\) $/, "")
    if (line === "" || line.startsWith("#") || line.length > 1000) continue
    const negated = line.startsWith("!")
    if (negated) line = line.slice(1)
    const folderOnly = line.endsWith("/")
    if (folderOnly) line = line.slice(0, -1)
    try { rules.push({ base, negated, folderOnly, regex: regexOf(line, line.startsWith("/")) }) } catch {}
  }
}
const isIgnored = (path, isFolder) => {
  let ignored = false
  for (const { base, folderOnly, negated, regex } of rules) {
    if (folderOnly && !isFolder) continue
    if (base !== "" && !path.startsWith(base + "/")) continue
    if (matches(regex, base === "" ? path : path.slice(base.length + 1))) ignored = !negated
  }
  return ignored
}

let globs = []
let regex
let multiline = false
const fits = (path) => globs.every((group) => fitsOne(group, path))
const fitsOne = (group, path) => {
  let positive = false
  let any = false
  for (const { not, regex } of group) {
    if (not) { if (matches(regex, path)) return false }
    else { any = true; positive = positive || matches(regex, path) }
  }
  return !any || positive
}

const lineOf = (text, limit) => text.length > limit ? text.slice(0, limit) + " [the line goes on]" : text

const grep = ({ after, before, bytes, most, width }) => {
  const text = Buffer.from(bytes).toString("utf8")
  const lines = text.split("\n")
  if (lines.at(-1) === "") lines.pop()
  const hits = new Set()
  let count = 0
  if (multiline) {
    const starts = [0]
    for (const line of lines) starts.push(starts.at(-1) + line.length + 1)
    const found = regex.matcher(text)
    let at = 0
    while (count < most && found.find()) {
      count++
      while (at + 1 < lines.length && starts[at + 1] <= found.start()) at++
      for (let n = at; n < lines.length && (n === at || starts[n] < found.end()); n++) hits.add(n)
    }
  } else {
    for (let n = 0; n < lines.length && count < most; n++) {
      if (matches(regex, lines[n].endsWith("\r") ? lines[n].slice(0, -1) : lines[n])) { count++; hits.add(n) }
    }
  }
  const shown = new Map()
  for (const hit of hits) {
    for (let n = Math.max(0, hit - before); n <= Math.min(lines.length - 1, hit + after); n++) shown.set(n, hits.has(n))
  }
  return {
    count,
    lines: [...shown.keys()].sort((a, b) => a - b).slice(0, most).map((n) => ({ number: n + 1, isHit: shown.get(n), text: lineOf(lines[n], width) }))
  }
}

const answer = (question) => {
  switch (question.type) {
    case "start": {
      globs = question.globs.map((group) => group.map((glob) => glob.startsWith("!")
        ? { not: true, regex: regexOf(glob.slice(1), false) }
        : { not: false, regex: regexOf(glob, question.anchored) }))
      multiline = question.multiline
      if (question.pattern !== undefined) {
        regex = RE2JS.compile(question.pattern, (question.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | RE2JS.MULTILINE | (multiline ? RE2JS.DOTALL : 0))
      }
      return null
    }
    case "rules": return addRules(question.base, question.text), null
    case "kept": return question.paths.map(({ path, isFolder }) => !(question.ignore && isIgnored(path, isFolder)) && (isFolder || fits(path)))
    case "grep": return grep(question)
  }
}

parentPort.on("message", (question) => {
  try { parentPort.postMessage({ answer: answer(question) }) }
  catch (error) { parentPort.postMessage({ error: String(error && error.message).slice(0, 300) }) }
})
`

export interface Start {
  readonly type: "start"
  /** A file must fit one of each group, and none that begins with `!`. */
  readonly globs: ReadonlyArray<ReadonlyArray<string>>
  /** The globs are for whole paths. */
  readonly anchored: boolean
  readonly pattern?: string
  readonly ignoreCase: boolean
  readonly multiline: boolean
}

export interface Line {
  readonly number: number
  readonly isHit: boolean
  readonly text: string
}

export interface Hits {
  readonly count: number
  readonly lines: ReadonlyArray<Line>
}

export interface Named {
  readonly path: string
  readonly isFolder: boolean
}

type Question =
  | Start
  | { readonly type: "rules"; readonly base: string; readonly text: string }
  | { readonly type: "kept"; readonly paths: ReadonlyArray<Named>; readonly ignore: boolean }
  | {
    readonly type: "grep"
    readonly bytes: Uint8Array
    readonly before: number
    readonly after: number
    readonly most: number
    readonly width: number
  }

interface Reply {
  readonly answer?: unknown
  readonly error?: string
}

const gaveUp = (message: string) => new SearchGaveUp({ message })

/** A thread that lives as long as the scope. Its questions are asked one after the other. */
export const make: Effect.Effect<
  {
    readonly start: (start: Omit<Start, "type">) => Effect.Effect<void, SearchGaveUp>
    readonly rules: (base: string, text: string) => Effect.Effect<void, SearchGaveUp>
    /** Whether each of these is to be searched, or listed. */
    readonly kept: (paths: ReadonlyArray<Named>, ignore: boolean) => Effect.Effect<ReadonlyArray<boolean>, SearchGaveUp>
    readonly grep: (
      question: Omit<Extract<Question, { readonly type: "grep" }>, "type">
    ) => Effect.Effect<Hits, SearchGaveUp>
  },
  never,
  Scope.Scope
> = Effect.gen(function*() {
  const worker = yield* Effect.acquireRelease(
    Effect.sync(() =>
      new Worker(program, {
        eval: true,
        workerData: { file: createRequire(import.meta.url).resolve("re2js") },
        env: {},
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: maxMegabytes, maxYoungGenerationSizeMb: maxMegabytes / 4 }
      })
    ),
    (worker) => Effect.promise(() => worker.terminate())
  )
  worker.on("error", () => {})
  const ask = (question: Question): Effect.Effect<unknown, SearchGaveUp> =>
    Effect.async<unknown, SearchGaveUp>((resume) => {
      const hear = ({ answer, error }: Reply) => {
        leave()
        resume(error === undefined ? Effect.succeed(answer) : gaveUp(`The pattern is not valid: ${error}`))
      }
      // It ran out of memory or stack.
      const lost = () => {
        leave()
        resume(gaveUp("The search needed too much memory."))
      }
      const leave = () => {
        worker.off("message", hear)
        worker.off("exit", lost)
      }
      worker.on("message", hear)
      worker.on("exit", lost)
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread of Node, and no window
      worker.postMessage(question)
      return Effect.sync(leave)
    }).pipe(Effect.timeoutFail({ duration: longest, onTimeout: () => gaveUp("The search took too long.") }))
  return {
    start: (start) => Effect.asVoid(ask({ type: "start", ...start })),
    rules: (base, text) => Effect.asVoid(ask({ type: "rules", base, text })),
    kept: (paths, ignore) => Effect.map(ask({ type: "kept", paths, ignore }), (kept) => kept as ReadonlyArray<boolean>),
    grep: (question) => Effect.map(ask({ type: "grep", ...question }), (hits) => hits as Hits)
  }
})
