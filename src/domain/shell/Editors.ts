/** Commands that change files by name: what they write, and what they need for it. */
import { options, type Spec } from "./Options.ts"
import { dangerous, editing, reading, unknown, type Verdict, type Word } from "./Part.ts"
import type { Judge } from "./Readers.ts"

const base = (path: string) => path.split("/").findLast((segment) => segment !== "") ?? ""

/** Where the last operand is a folder, a file of the source's name is written in it. */
const into = (target: string, sources: ReadonlyArray<Word>): ReadonlyArray<Word> => [
  target,
  ...sources.map((source) => source === undefined ? undefined : `${target}/${base(source)}`)
]

const edits = (
  spec: Spec,
  of: (operands: ReadonlyArray<Word>, given: ReadonlyMap<string, ReadonlyArray<Word>>) => Verdict
): Judge =>
(args) => {
  const { given, odd, operands } = options(args, spec)
  return odd || operands.includes(undefined) ? unknown : of(operands, given)
}

/** A copy of all that is in a folder brings along what its path does not show. */
const isContent = (path: Word) => path === undefined || /(?:^|\/)\.?$/.test(path)

const transfer = (moves: boolean) =>
  edits({
    flags: "abdfiLlnPpRrsTuvxHZ",
    values: "tS",
    long: [
      "recursive",
      "archive",
      "force",
      "interactive",
      "no-clobber",
      "verbose",
      "update",
      "preserve",
      "no-dereference"
    ],
    longValues: ["target-directory"]
  }, (operands, given) => {
    const named = (given.get("t") ?? given.get("target-directory"))?.[0]
    const target = named ?? operands.at(-1)
    const sources = named === undefined ? operands.slice(0, -1) : operands
    if (target === undefined || sources.length === 0) return unknown
    const whole = ["r", "R", "a", "recursive", "archive"].some((name) => given.has(name))
    if (!moves && whole && sources.some(isContent)) return unknown
    // What links are made of, `cp -s` and `cp -l`, is as good as written.
    const linked = given.has("s") || given.has("l")
    if (moves && target === "/dev/null") return dangerous("loses a file")
    return editing([...into(target, sources), ...(moves || linked ? sources : [])], sources)
  })

const remove: Judge = (args) => {
  const { given, odd, operands } = options(args, {
    flags: "dfiIrRv",
    long: ["recursive", "force", "verbose", "dir", "one-file-system", "preserve-root", "interactive"]
  })
  const recursive = ["r", "R", "recursive"].some((name) => given.has(name)) ||
    (odd && args.some((word) => word?.startsWith("--r")))
  if (recursive && operands.includes(undefined)) return dangerous("deletes folders that cannot be known")
  if (args.some((word) => word?.startsWith("--no-p"))) return dangerous("deletes without a guard")
  return odd ? { effect: "unknown", writes: operands } : editing(operands)
}

const modes: Judge = (args) => {
  const { given, odd, operands: [mode, ...files] } = options(args, {
    flags: "cfvRrwxXstugoah",
    long: ["recursive", "verbose", "changes", "silent", "quiet"]
  })
  const words = [mode, ...args.filter((word) => word?.startsWith("-"))]
  if (words.some((word) => word !== undefined && /^[-+=ugoa,rwxX]*[+=][rwxX]*s|^0?[2-7]\d{3}$/.test(word))) {
    return dangerous("lets a file run as somebody else")
  }
  const isRecursive = given.has("R") || given.has("recursive")
  if (isRecursive && files.includes(undefined)) return dangerous("changes folders that cannot be known")
  return odd || mode === undefined ? unknown : editing(files)
}

/** A link is a way to its target: both count as written. A target is seen from the link's folder. */
const link = edits(
  { flags: "sfnvTirL", values: "t", long: ["symbolic", "force", "verbose", "no-dereference"] },
  (operands, given) => {
    if (given.has("t") || operands.length === 0) return unknown
    const name = operands.length === 1 ? "." : operands.at(-1)!
    const targets = operands.length === 1 ? operands : operands.slice(0, -1)
    const folder = name.includes("/") ? name.slice(0, name.lastIndexOf("/") + 1) : ""
    const symbolic = given.has("s") || given.has("symbolic")
    const seen = targets.flatMap((target) =>
      target === undefined || !symbolic || /^[/~]/.test(target)
        ? [target]
        : [`${folder}${target}`, `${name}/${target}`, target]
    )
    return editing([...into(name, targets), ...seen])
  }
)

const dd: Judge = (args) => {
  if (args.includes(undefined)) return unknown
  const values = (name: string) =>
    args.filter((word) => word?.startsWith(`${name}=`)).map((word) => word!.slice(name.length + 1))
  const written = values("of")
  return written.length > 0 ? editing(written, values("if")) : reading(values("if"))
}

/** An archive decides itself what is written when it is unpacked. */
const tar: Judge = ([first, ...rest]) => {
  if (first === undefined) return unknown
  const args = /^[A-Za-z]/.test(first) ? [`-${first}`, ...rest] : [first, ...rest]
  const { given, odd, operands } = options(args, {
    flags: "ctvzjJap",
    values: "fC",
    long: ["create", "list", "verbose", "gzip", "bzip2", "xz"],
    longValues: ["file", "exclude", "directory"]
  })
  const archive = [...given.get("f") ?? [], ...given.get("file") ?? []]
  if (odd || archive.some((path) => path === undefined || path.includes(":"))) return unknown
  if (given.has("t") || given.has("list")) return reading(archive)
  return (given.has("c") || given.has("create")) && archive.length > 0 && !given.has("C")
    ? editing(archive, operands)
    : unknown
}

const inPlace = edits(
  { flags: "kfvqnN123456789", long: ["keep", "force", "verbose", "best", "fast"] },
  (files) => files.length === 0 ? reading([]) : editing(files.flatMap((file) => [file, `${file}.gz`]), files)
)

const files = (spec: Spec) => edits(spec, (operands) => editing(operands))

const chown: Judge = (args) => {
  const { given, odd, operands: [, ...paths] } = options(args, { flags: "Rvcfh", long: ["recursive", "verbose"] })
  if ((given.has("R") || given.has("recursive")) && paths.includes(undefined)) {
    return dangerous("changes folders that cannot be known")
  }
  return odd ? unknown : editing(paths)
}

export const editors: ReadonlyMap<string, Judge> = new Map([
  ["touch", files({ flags: "acmh", values: "dtr", long: ["no-create"], longValues: ["date"] })],
  ["mkdir", files({ flags: "pv", values: "m", long: ["parents", "verbose"], longValues: ["mode"] })],
  ["rmdir", files({ flags: "pv", long: ["parents", "verbose", "ignore-fail-on-non-empty"] })],
  ["unlink", files({})],
  ["mkfifo", files({ values: "m" })],
  ["truncate", files({ flags: "co", values: "sr", long: ["no-create"], longValues: ["size", "reference"] })],
  ["tee", files({ flags: "aip", long: ["append"] })],
  ["cp", transfer(false)],
  ["mv", transfer(true)],
  ["ln", link],
  ["rm", remove],
  ["chmod", modes],
  ["chown", chown],
  ["chgrp", chown],
  ["dd", dd],
  ["tar", tar],
  ["gzip", inPlace]
])
