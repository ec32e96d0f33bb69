/** Searches the files of the workspace, as ripgrep does: without hidden files, without those that .gitignore names, without binary ones. */
import { Effect, Schema, Stream } from "effect"
import type { FileError } from "../../../domain/Workspace.ts"
import { readUpTo, Workspace } from "../../../services/Workspace.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"
import { homeOf, opened, resolved } from "./InWorkspace.ts"
import * as Searcher from "./Searcher.ts"
import * as Walk from "./Walk.ts"

/** Bytes of one file and of all that are searched; of a file's beginning that tell whether it is text. */
const maxFile = 4 * 1024 * 1024
const maxAll = 128 * 1024 * 1024
const looked = 8_192

/** Lines or files that are shown when no number is said, and at most; characters of a line, and of all. */
const usualLines = 250
const maxLines = 5_000
const maxWidth = 500
const maxShown = 100_000

/** Lines around a hit. */
const maxAround = 50

/** Names of kinds of files, as ripgrep has them; any other name is an ending. */
const kinds: Readonly<Record<string, ReadonlyArray<string>>> = {
  js: ["*.js", "*.jsx", "*.mjs", "*.cjs"],
  ts: ["*.ts", "*.tsx", "*.mts", "*.cts"],
  py: ["*.py", "*.pyi"],
  rust: ["*.rs"],
  cpp: ["*.cpp", "*.cc", "*.cxx", "*.hpp", "*.hh", "*.h"],
  markdown: ["*.md", "*.markdown"],
  md: ["*.md", "*.markdown"],
  yaml: ["*.yaml", "*.yml"],
  html: ["*.html", "*.htm"],
  sh: ["*.sh", "*.bash", "*.zsh"]
}

const around = Schema.optionalWith(Schema.Int.pipe(Schema.between(0, maxAround)), { exact: true })
const flag = Schema.optionalWith(Schema.Boolean, { exact: true, default: () => false })

const words = (error: { readonly _tag: string; readonly detail?: string; readonly message?: string }) =>
  new ToolFailed({ message: error.detail ?? error.message ?? "The search failed." })

const Parameters = Schema.Struct({
  pattern: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(1_000)).annotations({
    description: "A regular expression of RE2, without look-around and back references."
  }),
  path: Schema.optionalWith(Schema.String, { exact: true, default: () => "." }).annotations({
    description: "A file or folder to search; where the session is, when left out."
  }),
  glob: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(1_000)), { exact: true }).annotations({
    description: "Only files such as `*.ts` or `src/**`; `!*.md` leaves files out."
  }),
  type: Schema.optionalWith(Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9]{1,20}$/)), { exact: true }).annotations({
    description: "Only files of a kind, such as js, ts, py, rust."
  }),
  output_mode: Schema.optionalWith(Schema.Literal("content", "files_with_matches", "count"), {
    exact: true,
    default: () => "files_with_matches" as const
  }),
  "-i": flag.annotations({ description: "Upper and lower case are the same." }),
  "-n": Schema.optionalWith(Schema.Boolean, { exact: true, default: () => true }).annotations({
    description: "Numbers of lines."
  }),
  "-A": around,
  "-B": around,
  "-C": around,
  multiline: flag.annotations({ description: "A hit may go over several lines, and `.` fits the end of a line." }),
  head_limit: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, maxLines)), {
    exact: true,
    default: () => usualLines
  })
})

type Arguments = typeof Parameters.Type

const globsOf = ({ glob, type }: Arguments): ReadonlyArray<ReadonlyArray<string>> => [
  ...(glob === undefined ? [] : [[glob]]),
  ...(type === undefined ? [] : [kinds[type] ?? [`*.${type}`]])
]

/** `a.ts:12:text`, and `a.ts-13-text` for a line around. */
const shownOf = (name: string, { isHit, number, text }: Searcher.Line, numbered: boolean) => {
  const mark = isHit ? ":" : "-"
  return `${name}${mark}${numbered ? `${number}${mark}` : ""}${text}`
}

export const grep = Effect.map(Workspace, (service) =>
  define({
    name: "Grep",
    description:
      "Searches the files of the workspace for a regular expression. Hidden files, files that .gitignore names and "
      + "binary files are left out.",
    folderOf: homeOf(service),
    effect: "read",
    idempotent: true,
    onRequest: true,
    parameters: Parameters,
    run: (args, caller) =>
      Effect.gen(function*() {
        const workspace = yield* opened(service, caller)
        const path = yield* resolved(workspace, caller, args.path)
        const { kind } = yield* workspace.stat(path)
        const searcher = yield* Searcher.make
        yield* searcher.start({
          globs: globsOf(args),
          anchored: false,
          pattern: args.pattern,
          ignoreCase: args["-i"],
          multiline: args.multiline
        })
        const report = { truncated: false }
        const found: Stream.Stream<{ readonly path: string }, FileError | Searcher.SearchGaveUp> = kind === "directory"
          ? Walk.files({ workspace, from: path, searcher, ignore: true }, report)
          : Stream.succeed({ path: "" })
        const around = args["-C"] ?? 0
        const shown: Array<string> = []
        let size = 0
        let read = 0
        const isFull = () => shown.length >= args.head_limit || size > maxShown || read > maxAll
        yield* found.pipe(
          Stream.takeWhile(() => !isFull()),
          Stream.runForEach(({ path: below }) =>
            Effect.gen(function*() {
              if (isFull()) return
              const name = below === "" ? path : `${path}/${below}`
              const bytes = yield* Effect.option(readUpTo(workspace, name, maxFile))
              if (bytes._tag === "None" || bytes.value.subarray(0, looked).includes(0)) return
              read += bytes.value.length
              const { count, lines } = yield* searcher.grep({
                bytes: bytes.value,
                before: args["-B"] ?? around,
                after: args["-A"] ?? around,
                most: args.output_mode === "files_with_matches" ? 1 : maxLines,
                width: maxWidth
              })
              if (count === 0) return
              const more = args.output_mode === "files_with_matches"
                ? [name]
                : args.output_mode === "count"
                ? [`${name}:${count}`]
                : lines.map((line) => shownOf(name, line, args["-n"]))
              for (const line of more.slice(0, args.head_limit - shown.length)) {
                shown.push(line)
                size += line.length + 1
              }
            })
          )
        )
        const cut = isFull() || report.truncated ? "\n[The search was cut short: there may be more.]" : ""
        return shown.length === 0 ? `Nothing found.${cut}` : `${shown.join("\n")}${cut}`
      }).pipe(Effect.mapError((error) => error instanceof ToolFailed ? error : words(error)))
  }))
