/** Commands that run another command, which is what counts. */
import { options, type Spec } from "./Options.ts"
import { dangerous, editing, read, reading, unknown, type Verdict, type Word } from "./Part.ts"
import { isHarmless } from "./Variables.ts"

/** What a wrapper leads to. */
export type Inside =
  /** The words of commands that run instead; `privileged` when they do so with other rights, `whole` when in another environment. */
  | {
    readonly type: "commands"
    readonly commands: ReadonlyArray<ReadonlyArray<Word>>
    readonly privileged?: boolean
    readonly whole?: boolean
    /** What the wrapper does beside. */
    readonly besides?: Verdict
  }
  /** The text of a script. */
  | { readonly type: "script"; readonly text: string }
  /** The script is what is piped into it. */
  | { readonly type: "input" }
  | { readonly type: "verdict"; readonly verdict: Verdict }

const verdict = (verdict: Verdict): Inside => ({ type: "verdict", verdict })

type Wrapper = (args: ReadonlyArray<Word>) => Inside

/** `skip` operands come before the command. */
const plain = (
  spec: Spec,
  { alone = read, privileged = false, skip = 0 }: { alone?: Verdict; privileged?: boolean; skip?: number } = {}
): Wrapper =>
(args) => {
  const { odd, operands } = options(args, { ...spec, stop: true })
  if (odd && !privileged) return verdict(unknown)
  const words = operands.slice(skip)
  return words.length === 0 ? verdict(alone) : { type: "commands", commands: [words], privileged }
}

const assignment = /^([A-Za-z_]\w*)=/

const env: Wrapper = (args) => {
  const { given, odd, operands } = options(args, {
    flags: "i",
    values: "u",
    long: ["ignore-environment"],
    longValues: ["unset"],
    stop: true
  })
  if (odd) return verdict(unknown)
  const at = operands.findIndex((word) => word === undefined || !assignment.test(word))
  if (at < 0) return verdict(read)
  const whole = given.size > 0 || operands.slice(0, at).some((word) => !isHarmless(assignment.exec(word!)![1]!))
  return { type: "commands", commands: [operands.slice(at)], whole }
}

const xargs: Wrapper = (args) => {
  const { given, odd, operands } = options(args, {
    flags: "0rtx",
    values: "nPLIds",
    long: ["null", "no-run-if-empty"],
    longValues: ["max-args", "max-procs", "delimiter"],
    stop: true
  })
  if (odd) return verdict(unknown)
  if (operands.length === 0) return verdict(read)
  const [mark] = given.get("I") ?? []
  return {
    type: "commands",
    commands: [
      mark === undefined
        ? [...operands, undefined]
        : operands.map((word) => word?.includes(mark) ? undefined : word)
    ]
  }
}

const tests = new Set(
  `name iname path ipath wholename regex iregex type xtype size mtime mmin atime amin ctime cmin newer maxdepth mindepth perm
  user group uid gid links inum samefile regextype fstype printf newermt`.split(/\s+/)
)
const flags = new Set(
  `print print0 ls prune quit empty readable writable executable true false depth daystart follow xdev mount a o and or not
  nouser nogroup`.split(/\s+/)
)

/** Most folders that a search may begin in. */
const maxStarts = 8

/** What it finds lies below where it starts, so that a `{}` is judged as each of these. */
const find: Wrapper = (args) => {
  const first = args.findIndex((word) => word === undefined || /^(?:-[a-z]|[(!])/.test(word))
  const named = (first < 0 ? args : args.slice(0, first)).filter((word) =>
    word !== "-L" && word !== "-H" && word !== "-P"
  )
  const starts = named.length === 0 ? ["."] : named
  if (starts.length > maxStarts) return verdict(unknown)
  const commands: Array<ReadonlyArray<Word>> = []
  let besides: Verdict = reading([])
  let isNarrow = false
  for (let at = first < 0 ? args.length : first; at < args.length; at++) {
    const word = args[at]
    if (word === undefined) return verdict(unknown)
    const name = word.slice(1)
    if (word === "(" || word === ")" || word === "!" || word === ",") continue
    if (!word.startsWith("-")) return verdict(unknown)
    if (tests.has(name)) {
      at++
      isNarrow ||= name !== "type" && name !== "maxdepth" && name !== "mindepth" && name !== "printf"
    } else if (name === "delete") {
      besides = isNarrow ? editing(starts) : dangerous("deletes all that it finds")
    } else if (["exec", "execdir", "ok", "okdir"].includes(name)) {
      const end = args.findIndex((word, index) =>
        index > at && (word === ";" || (word === "+" && args[index - 1] === "{}"))
      )
      if (end < 0) return verdict(unknown)
      const words = args.slice(at + 1, end)
      // Where the command runs in the folder of the file, its paths are seen from there.
      const places: ReadonlyArray<Word> = name.endsWith("dir") ? [undefined] : starts
      commands.push(
        ...places.map((start) => words.map((word) => word === "{}" ? start : word?.includes("{}") ? undefined : word))
      )
      at = end
    } else if (["fprint", "fprint0", "fls"].includes(name)) besides = editing([args[++at]])
    else if (!flags.has(name)) return verdict(unknown)
  }
  return commands.length === 0 ? verdict(besides) : { type: "commands", commands, besides }
}

/** Options of a shell that do not change what its commands mean. */
const shell: Wrapper = (args) => {
  const at = args.findIndex((word) => word === undefined || !/^-[eux]+$/.test(word))
  const word = at < 0 ? undefined : args[at]
  if (at < 0) return { type: "input" }
  if (word === "-c" || word === "-ec" || word === "-xc" || word === "-euc" || word === "-exc") {
    const text = args[at + 1]
    return text === undefined ? verdict(unknown) : { type: "script", text }
  }
  return verdict(unknown)
}

const evaluate: Wrapper = (args) =>
  args.includes(undefined) ? verdict(unknown) : { type: "script", text: args.join(" ") }

const commandBuiltin: Wrapper = (args) =>
  args[0] === "-v" || args[0] === "-V"
    ? verdict(args.includes(undefined) ? unknown : read)
    : plain({ flags: "p" })(args)

const privileges: Spec = { flags: "AbEeHiKklnPSsV", values: "CDghpRTtuU" }

export const wrappers: ReadonlyMap<string, Wrapper> = new Map<string, Wrapper>([
  ["env", env],
  ["nice", plain({ values: "n" })],
  ["ionice", plain({ values: "cn" })],
  ["nohup", plain({})],
  ["setsid", plain({ flags: "fw" })],
  ["stdbuf", plain({ values: "ioe" })],
  ["time", plain({ flags: "pv" })],
  [
    "timeout",
    plain({ flags: "v", values: "ks", long: ["foreground", "preserve-status"], longValues: ["kill-after", "signal"] }, {
      skip: 1
    })
  ],
  ["command", commandBuiltin],
  ["builtin", plain({})],
  ["exec", plain({ flags: "cl", values: "a" }, { alone: unknown })],
  ["busybox", plain({})],
  ["xargs", xargs],
  ["find", find],
  ["sudo", plain(privileges, { alone: unknown, privileged: true })],
  ["doas", plain({ flags: "n", values: "u" }, { alone: unknown, privileged: true })],
  ["sh", shell],
  ["bash", shell],
  ["dash", shell],
  ["eval", evaluate]
])
