/**
 * Mutates the engine and says, folder by folder, how many of the mutants the tests notice.
 *
 * `npm run test:mutation` takes everything, `npm run test:mutation -- src/layers/Rooms src/domain/Reply.ts` what is
 * named, `--sample 8` one window of ten lines in eight. Other options go to Stryker: `-- --mutate 'src/layers/*.ts'`.
 * The mutants that nobody noticed are listed in `.stryker/survivors`.
 */
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { root } from "./run.mjs"

const out = path.join(root, ".stryker")
const report = path.join(out, "report.json")
const engine = [
  ...["Rooms", "RunOwner", "AgentRunner", "SessionHub"].map((port) => `src/layers/${port}`),
  ...["Reply", "Transcript", "Permission", "Event"].map((name) => `src/domain/${name}.ts`)
]

/** Lines of one window of a sample. */
const height = 10

const filesIn = (named) =>
  fs.statSync(path.join(root, named)).isFile()
    ? [named]
    : fs.readdirSync(path.join(root, named), { recursive: true }).filter((name) => name.endsWith(".ts"))
      .map((name) => path.join(named, name))

/** Every `every`-th window, counted through all files, so that small files have their part. */
const windows = (files, every) => {
  let n = 0
  return files.toSorted().flatMap((file) => {
    const lines = fs.readFileSync(path.join(root, file), "utf8").split("\n").length
    return Array.from({ length: Math.ceil(lines / height) }, (_, i) => `${file}:${i * height + 1}-${(i + 1) * height}`)
      .filter(() => n++ % every === 0)
  })
}

const named = []
const rest = []
let every = 1
for (let args = process.argv.slice(2); args.length > 0;) {
  const [first, ...others] = args
  args = others
  if (first === "--sample") every = Number(args.shift())
  else if (rest.length === 0 && !first.startsWith("-")) named.push(first)
  else rest.push(first)
}
const files = (named.length > 0 ? named : engine).flatMap(filesIn)
const mutate = rest.some((option) => option === "--mutate" || option === "-m")
  ? []
  : ["--mutate", (every > 1 ? windows(files, every) : files).join(",")]

fs.rmSync(report, { force: true })
const stryker = path.join(root, "node_modules/@stryker-mutator/core/bin/stryker.js")
const child = spawn(
  process.execPath,
  [stryker, "run", path.join(root, "stryker.config.mjs"), ...mutate, ...rest],
  { cwd: root, stdio: "inherit" }
)
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal))
const code = await new Promise((done) => child.once("close", (code) => done(code ?? 1)))

/** A file of the domain stands for itself, one of a layer for its folder. */
const folderOf = (file) => file.startsWith("src/domain/") ? file : path.dirname(file)

const noticed = new Set(["Killed", "Timeout"])
const unnoticed = new Set(["Survived", "NoCoverage"])

if (fs.existsSync(report)) {
  const results = JSON.parse(fs.readFileSync(report, "utf8")).files
  const folders = new Map()
  for (const [file, { mutants, source }] of Object.entries(results)) {
    const lines = source.split("\n")
    const one = folders.get(folderOf(file)) ?? { killed: 0, late: 0, survived: 0, uncovered: 0, left: [] }
    folders.set(folderOf(file), one)
    for (const { location: { end, start }, mutatorName, replacement, status } of mutants) {
      if (noticed.has(status)) one.killed++
      if (status === "Timeout") one.late++
      if (status === "Survived") one.survived++
      if (status === "NoCoverage") one.uncovered++
      if (!unnoticed.has(status)) continue
      const was = end.line === start.line
        ? lines[start.line - 1].slice(start.column - 1, end.column - 1)
        : `${lines[start.line - 1].slice(start.column - 1)} …`
      const how = status === "NoCoverage" ? "  (no test reaches it)" : ""
      one.left.push(
        `${file}:${start.line}:${start.column}  ${mutatorName}: ${was} -> ${replacement.replaceAll(/\s+/g, " ")}${how}`
      )
    }
  }
  fs.mkdirSync(path.join(out, "survivors"), { recursive: true })
  const row = (name, ...cells) => console.log(name.padEnd(30) + cells.map((cell) => String(cell).padStart(11)).join(""))
  row("folder", "score %", "noticed", "by timeout", "survived", "unreached")
  const all = { killed: 0, late: 0, survived: 0, uncovered: 0 }
  const tell = (name, { killed, late, survived, uncovered }) => {
    const judged = killed + survived + uncovered
    row(name, judged === 0 ? "-" : (100 * killed / judged).toFixed(1), killed, late, survived, uncovered)
  }
  for (const [name, one] of folders) {
    tell(name, one)
    for (const key of Object.keys(all)) all[key] += one[key]
    const file = path.join(out, "survivors", `${path.basename(name, ".ts")}.txt`)
    fs.writeFileSync(file, one.left.map((line) => `${line}\n`).join(""))
  }
  tell("all", all)
  console.log(`What was not noticed: ${path.relative(process.cwd(), path.join(out, "survivors"))}`)
}
process.exitCode = code
