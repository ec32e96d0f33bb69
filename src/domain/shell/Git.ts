/** What git's subcommands do. Those that are not named here may run hooks, or change the repository. */
import { mayMean, options, type Spec } from "./Options.ts"
import { dangerous, network, read, unknown, type Verdict, type Word } from "./Part.ts"
import type { Judge } from "./Readers.ts"

/** Subcommands that only read, but for some of their options. */
export const readingVerbs: ReadonlySet<string> = new Set(
  `status log diff show shortlog blame annotate grep ls-files ls-tree rev-parse rev-list describe cat-file name-rev
  merge-base show-ref for-each-ref count-objects whatchanged diff-tree diff-index check-ignore check-attr cherry
  show-branch fsck version`.split(/\s+/)
)

const onNetwork = new Set(["fetch", "pull", "clone", "ls-remote", "push"])

/** Options of the readers that write a file or start a program. */
const others = [
  "--output",
  "--ext-diff",
  "--textconv",
  "--open-files-in-pager",
  "--upload-pack",
  "--filters",
  "--lost-found",
  "--contents"
]

const isPlain = (args: ReadonlyArray<Word>) =>
  !args.some((word) => word === undefined || others.some((other) => mayMean(word, other)))

const only = (spec: Spec, most = 0): Judge => (args) => {
  const { odd, operands } = options(args, spec)
  return !odd && operands.length <= most ? read : unknown
}

const lists: Record<string, Judge> = {
  branch: only({
    flags: "arvi",
    long: ["all", "remotes", "list", "show-current", "verbose"],
    longValues: ["contains", "merged", "no-merged", "sort", "format"]
  }),
  tag: (args) =>
    only(
      { flags: "nl", long: ["list"], longValues: ["contains", "sort", "points-at"] },
      has(args, "l", "--list") ? 1 : 0
    )(args),
  remote: ([verb, ...args]) =>
    verb === undefined || verb === "-v" || (verb === "get-url" && args.length === 1) ? read : unknown,
  stash: ([verb, ...args]) => (verb === "list" || verb === "show") && isPlain(args) ? read : unknown,
  config: ([verb]) =>
    ["--get", "--get-all", "--list", "-l", "--get-regexp", "list", "get"].includes(verb ?? "") ? read : unknown,
  reflog: (args) => args.length === 0 || (args[0] === "show" && isPlain(args)) ? read : unknown,
  worktree: ([verb]) => verb === "list" ? read : unknown,
  submodule: ([verb]) => verb === "status" ? read : unknown
}

const has = (args: ReadonlyArray<Word>, letters: string, ...long: ReadonlyArray<string>) =>
  args.some((word) =>
    word !== undefined &&
    (/^-[A-Za-z]+$/.test(word)
      ? [...letters].some((letter) => word.includes(letter))
      : long.some((name) => word.length > 3 && mayMean(word, name)))
  )

/** Work that git cannot bring back. */
const dangerOf = (verb: string, args: ReadonlyArray<Word>): string | undefined => {
  switch (verb) {
    case "push":
      return has(
          args,
          "fd",
          "--force",
          "--force-with-lease",
          "--force-if-includes",
          "--mirror",
          "--delete",
          "--prune"
        ) ||
          args.some((word) => word?.startsWith("+") || word?.startsWith(":"))
        ? "overwrites or deletes what others have"
        : undefined
    case "reset":
      return has(args, "", "--hard", "--merge") ? "loses changes" : undefined
    case "clean":
      return has(args, "n", "--dry-run") ? undefined : "deletes files"
    case "checkout":
    case "switch":
      return has(args, "f", "--force", "--discard-changes") || args.some((word) => word === "." || word === "--")
        ? "loses changes"
        : undefined
    case "restore":
      return has(args, "", "--staged") && !has(args, "W", "--worktree") ? undefined : "loses changes"
    case "branch":
      return has(args, "DfMC", "--force") ? "deletes or overwrites a branch" : undefined
    case "tag":
      return has(args, "df", "--delete", "--force") ? "deletes or overwrites a tag" : undefined
    case "stash":
      return args[0] === "drop" || args[0] === "clear" ? "loses changes" : undefined
    case "reflog":
      return args[0] === "expire" || args[0] === "delete" ? "loses history" : undefined
    case "update-ref":
    case "filter-branch":
    case "filter-repo":
    case "prune":
    case "gc":
      return verb === "gc" && !has(args, "", "--prune") ? undefined : "loses history"
    default:
      return undefined
  }
}

/** Options before the subcommand that change nothing of what it does. */
const harmless = new Set(["--no-pager", "-P", "--no-optional-locks", "--literal-pathspecs"])

export const git = (args: ReadonlyArray<Word>): Verdict => {
  let at = 0
  let elsewhere = false
  while (at < args.length && args[at]?.startsWith("-")) {
    const word = args[at]!
    if (!harmless.has(word)) elsewhere = true
    at += word === "-c" || word === "-C" || word === "--git-dir" || word === "--work-tree" ? 2 : 1
  }
  const verb = args[at]
  const rest = args.slice(at + 1)
  if (verb === undefined) return args.length === 1 && args[0] === "--version" ? read : unknown
  const danger = dangerOf(verb, rest)
  if (danger !== undefined) return dangerous(danger)
  // Settings on the command line, and those of another repository, name programs that git starts.
  if (onNetwork.has(verb)) return elsewhere ? unknown : network
  if (elsewhere) return unknown
  if (readingVerbs.has(verb)) return isPlain(rest) && !(verb === "grep" && has(rest, "O")) ? read : unknown
  return Object.hasOwn(lists, verb) ? lists[verb]!(rest) : unknown
}
