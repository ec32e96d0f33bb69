/** Commands that only read, and the options with which they do more. */
import { type Options, options, type Spec } from "./Options.ts"
import { editing, read, reading, unknown, type Verdict, type Word } from "./Part.ts"
import { isReadingAwk, isReadingSed, sedScripts } from "./Scripts.ts"

export type Judge = (args: ReadonlyArray<Word>) => Verdict

/** Every option is harmless; the operands are files. */
const anyOptions =
  `cat tac nl head tail wc cut tr rev fold fmt paste join comm cmp diff od hexdump strings md5sum sha1sum
  sha224sum sha256sum sha384sum sha512sum b2sum cksum sum base64 base32 expand unexpand column tsort numfmt grep egrep fgrep
  zcat zgrep bzcat xzcat jq look`.split(/\s+/)

/** The same, but they say only that files are there, and not what is in them. */
const listing = `ls dir vdir stat du df basename dirname realpath readlink which whereis type pathchk lsblk lscpu
  findmnt cal locale getconf id whoami groups users who w uname arch nproc uptime free ps pgrep printenv tty logname
  hostid sleep pwd factor seq true false : vmstat lsof pidof getent`.split(/\s+/)

/** What they get is text: it may be anything. */
const talking = ["echo", "expr"]

/** Words of an option, as `--file=x`, `-fx` or `data=@x`, that may name a file. */
const filesIn = (word: Word): ReadonlyArray<Word> =>
  word === undefined || !word.startsWith("-")
    ? [word]
    : [word.slice(2), ...word.split("=").slice(1)].filter((one) => one !== "")

const files: Judge = (args) => reading(args.flatMap(filesIn))

const lists: Judge = (args) => args.includes(undefined) ? unknown : read

const allowed = (spec: Spec, then: (given: Options) => Verdict): Judge => (args) => {
  const given = options(args, spec)
  return given.odd ? unknown : then(given)
}

const sort = allowed({
  flags: "bcdfghinMrRsuVzmC",
  values: "ktSo",
  long: [
    "reverse",
    "unique",
    "numeric-sort",
    "human-numeric-sort",
    "version-sort",
    "ignore-case",
    "check",
    "stable",
    "random-sort"
  ],
  longValues: ["key", "field-separator", "output", "parallel"]
}, ({ given, operands }) => {
  const written = [...given.get("o") ?? [], ...given.get("output") ?? []]
  return written.length > 0 ? editing(written, operands) : reading(operands)
})

const uniq = allowed(
  {
    flags: "cdDiuz",
    values: "fsw",
    long: ["count", "repeated", "unique", "ignore-case"],
    longValues: ["skip-fields", "skip-chars", "check-chars"]
  },
  ({ operands: [input, ...output] }) =>
    output.length > 0 ? editing(output, [input]) : reading(input === undefined ? [] : [input])
)

const date = allowed({
  flags: "uRI",
  values: "dr",
  long: ["utc", "iso-8601", "rfc-email"],
  longValues: ["date", "reference", "rfc-3339", "iso-8601"]
}, ({ operands }) => operands.every((one) => one?.startsWith("+")) ? read : unknown)

const sed: Judge = allowed({
  flags: "nErsuz",
  values: "e",
  glued: "i",
  long: ["quiet", "silent", "regexp-extended", "separate", "null-data", "in-place", "debug", "posix"],
  longValues: ["expression"]
}, (given) => sedVerdict(given))

const sedVerdict = (all: Options): Verdict => {
  const { given } = all
  const { files, scripts } = sedScripts(all)
  if (!scripts.every((script) => script !== undefined && isReadingSed(script))) return unknown
  if (!given.has("i") && !given.has("in-place")) return reading(files)
  // The suffix of the copy that is kept may name another folder.
  return (given.get("i") ?? []).every((suffix) => suffix !== undefined && /^[.\w~-]*$/.test(suffix))
    ? editing(files, files)
    : unknown
}

const awk = allowed(
  { values: "Fv" },
  ({ given, operands: [program, ...files] }) =>
    program !== undefined && isReadingAwk(program) && !(given.get("v") ?? []).includes(undefined)
      ? reading(files)
      : unknown
)

const printf: Judge = ([format]) => format === undefined || format.startsWith("-") ? unknown : read

/** `-v` looks at a variable's index, which may be a command; and a variable may become a `-v`. */
const test: Judge = (args) => args.includes("-v") || args.includes("-R") || args.includes(undefined) ? unknown : read

/** ripgrep takes no shortened names. */
const rg: Judge = (args) =>
  args.some((word) => word !== undefined && /^--(?:pre|hostname-bin)(?:=|$)/.test(word)) ? unknown : files(args)

const hostname = allowed({ flags: "fiIsdA" }, ({ operands }) => operands.length === 0 ? read : unknown)

const tree = allowed(
  { flags: "adfilpsughDrtFCn", values: "LIP", long: ["dirsfirst", "noreport", "du", "gitignore"] },
  ({ operands }) => lists(operands)
)

const file = allowed(
  { flags: "bhikLNprsz0", values: "eF", long: ["brief", "mime", "mime-type", "mime-encoding"] },
  ({ operands }) => lists(operands)
)

const xxd = allowed(
  { flags: "abeEipu", values: "cglos" },
  ({ operands: [input, ...output] }) =>
    output.length > 0 ? editing(output, [input]) : reading(input === undefined ? [] : [input])
)

const command = (judge: Judge, names: ReadonlyArray<string>) => names.map((name) => [name, judge] as const)

/** `less` and `man` are not here: they start programs. */
export const readers: ReadonlyMap<string, Judge> = new Map([
  ...command(files, anyOptions),
  ...command(lists, listing),
  ...command(() => read, talking),
  ...command(test, ["test", "["]),
  ...command(awk, ["awk", "gawk", "mawk", "nawk"]),
  ["printf", printf],
  ["sort", sort],
  ["uniq", uniq],
  ["date", date],
  ["sed", sed],
  ["rg", rg],
  ["hostname", hostname],
  ["tree", tree],
  ["file", file],
  ["xxd", xxd]
])

/** Programs that can be asked for their version alone, and say it without a look at the folder. */
const versioned = new Set(
  `node npm npx yarn pnpm bun deno python python3 pip pip3 ruby gem perl php go cargo rustc rustup java javac gcc g++ clang
  make cmake docker kubectl helm terraform git curl wget ssh tar zip unzip bash sh psql sqlite3 dotnet swift tsc`.split(
    /\s+/
  )
)

export const isVersionOnly = (name: string, args: ReadonlyArray<Word>): boolean =>
  args.length === 1 && versioned.has(name) &&
  (args[0] === "--version" || args[0] === "--help" || (args[0] === "version" && name === "go"))
