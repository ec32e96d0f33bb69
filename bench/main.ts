/**
 * The benchmark: `npm run bench`, with `--json` for a line of JSON for each
 * figure, `--quick` for a look, `--only <row>` and `--on <storage>` (again for more), and
 * `--profile <folder>` for a CPU profile of each hot server in each row.
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import { freshDatabase, type Postgres, startPostgres } from "../test/support/Postgres.ts"
import { type Child, start } from "./Child.ts"
import { type Backend, type Door, ofRaw, ofStoa } from "./Door.ts"
import { type Figure, type Limit, type Plan, quick, whole } from "./Figures.ts"
import * as Load from "./Load.ts"
import * as ModelLayer from "./ModelLayer.ts"
import type { Template } from "./raw.ts"
import { rows, warmUp } from "./Rows.ts"
import type { Arguments } from "./server.ts"
import * as Starts from "./Starts.ts"
import { json, type Outcome, table } from "./Table.ts"
import type { Row } from "./Work.ts"

const { values: flags } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    on: { type: "string", multiple: true, default: [] },
    profile: { type: "string" }
  }
})

const say = (line: string) => process.stderr.write(`${line}\n`)

const ids = [...rows, ModelLayer.row, ...Starts.rows].map(({ id }) => id)
const unknown = flags.only.filter((id) => !ids.includes(id))
if (unknown.length > 0) {
  say(`There is no row ${unknown.join(", ")}. Rows: ${ids.join(", ")}`)
  process.exit(2)
}
const isOn = (backend: string) => flags.on.length === 0 || backend === "raw" || flags.on.includes(backend)
const isWanted = (id: string) => flags.only.length === 0 || flags.only.includes(id)

/** What is left to be stopped and removed, newest last. */
const cleanUps: Array<() => Promise<unknown>> = []

const cleanUp = async () => {
  for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) {
    await next().catch((cause) => say(String(cause)))
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    cleanUp().finally(() => process.exit(130))
  })
}

/** Sockets that one process may open, less some for itself. */
const openFiles = (): number => {
  const most = execFileSync("sh", ["-c", "ulimit -Hn"], { encoding: "utf8" }).trim()
  return most === "unlimited" ? Infinity : Number(most) - 500
}

const planned = (): Plan => {
  const plan = flags.quick ? quick : whole
  const subscribers = plan.subscribers.filter((count) => count < openFiles())
  if (subscribers.length < plan.subscribers.length) {
    say("Fewer subscribers than planned: `ulimit -Hn` allows no more files.")
  }
  return { ...plan, subscribers, backends: (row) => plan.backends(row).filter(isOn) }
}

const plan = planned()

const outcomeOf = (
  { id, reach, what }: { readonly id: string; readonly what: string; readonly reach: string },
  limits: (backend: Backend) => Readonly<Record<string, Limit>>
): Outcome => ({ id, what, reach, limits, figures: new Map(), failures: new Map() })

const outcomes: Array<Outcome> = []

const note = (outcome: Outcome, backend: Backend, figures: ReadonlyArray<Figure>) => {
  outcome.figures.set(backend, figures)
  if (flags.json) console.log(json(outcome, backend))
}

const fail = (outcome: Outcome, backend: Backend, cause: unknown) => {
  const message = cause instanceof Error ? cause.message : String(cause)
  say(`${outcome.id} on ${backend} failed: ${message}`)
  outcome.failures.set(backend, message)
  process.exitCode = 1
  if (flags.json) console.log(json(outcome, backend))
}

const folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-bench-"))
cleanUps.push(() => Fs.rm(folder, { recursive: true, force: true }))

const stopLater = (child: Child): Child => {
  cleanUps.push(child.stop)
  return child
}

let postgres: Promise<Postgres> | undefined

const databaseUrl = async (): Promise<string> => {
  postgres ??= startPostgres().then((server) => {
    cleanUps.push(server.stop)
    return server
  })
  return freshDatabase(await postgres)
}

/** Writes down what the raw server is to send: a reply of Stoa whose deltas were not joined. */
const capture = async (): Promise<string> => {
  const child = await start("server.ts", ["memory"])
  try {
    const { text } = await (await (await ofStoa("memory", child)).open(8)).run("repeat 50 word ")
    const frames = text.replace(/^: ok\n/, "").split("\n\n").filter((frame) => frame.startsWith("id: ")).map((frame) =>
      `${frame}\n\n`
    )
    const isDelta = (frame: string) => frame.includes("\"TEXT_BLOCK_DELTA\"")
    const template: Template = {
      before: frames.slice(0, frames.findIndex(isDelta)),
      delta: frames.find(isDelta)!,
      after: frames.slice(frames.findLastIndex(isDelta) + 1)
    }
    const file = Path.join(folder, "frames.json")
    await Fs.writeFile(file, JSON.stringify(template))
    return file
  } finally {
    await child.stop()
  }
}

let servers = 0
let captured: Promise<string> | undefined

const argumentsFor = async (backend: Exclude<Backend, "raw">): Promise<Arguments> => {
  if (backend === "memory") return [backend]
  const dataDir = Path.join(folder, `data-${++servers}`)
  return backend === "pglite" ? [backend, dataDir] : [backend, dataDir, await databaseUrl()]
}

const openDoor = async (backend: Backend): Promise<Door> =>
  backend === "raw"
    ? ofRaw(stopLater(await start("raw.ts", [await (captured ??= capture())])))
    : ofStoa(backend, stopLater(await start("server.ts", await argumentsFor(backend))))

/** Longest that a row may take on one server, in milliseconds: 10,000 runs and two idle minutes are the longest. */
const longest = 10 * 60_000

const inTime = <A>(work: Promise<A>): Promise<A> => {
  const over = new AbortController()
  const limit = sleep(longest, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${longest / 60_000} minutes`)
  })
  limit.catch(() => {})
  return Promise.race([work, limit]).finally(() => over.abort())
}

/** The server that rows share, until the next one is asked for. */
const doors = new Map<Backend, Promise<Door>>()

const measure = async (row: Row, outcome: Outcome, backend: Backend) => {
  const door = row.fresh === true ? openDoor(backend) : doors.get(backend) ?? openDoor(backend)
  if (row.fresh !== true) doors.set(backend, door)
  try {
    const { child } = await door
    if (flags.profile !== undefined) {
      await warmUp(await door, plan)
      await child.ask("profile")
    }
    note(outcome, backend, await inTime(row.measure(await door, plan)))
    if (flags.profile !== undefined) await child.ask("profiled", `${flags.profile}/${row.id}-${backend}.cpuprofile`)
  } catch (cause) {
    fail(outcome, backend, cause)
    doors.delete(backend)
  } finally {
    Load.hangUp()
    if (row.fresh === true) await (await door).child.stop()
  }
}

const loaded = rows.filter(({ id }) => isWanted(id) && plan.backends(id).length > 0).map((row) => ({
  row,
  outcome: outcomeOf(row, row.limits)
}))
outcomes.push(...loaded.map(({ outcome }) => outcome))
const modelLayer = isWanted(ModelLayer.row.id) ? [outcomeOf(ModelLayer.row, () => ModelLayer.row.limits)] : []
outcomes.push(...modelLayer)
const started = Starts.rows.filter(({ id }) => isWanted(id)).map((row) => ({
  row,
  outcome: outcomeOf(row, () => row.limits)
}))
outcomes.push(...started.map(({ outcome }) => outcome))

try {
  if (flags.profile !== undefined) await Fs.mkdir(flags.profile, { recursive: true })
  // Raw and memory take turns, so that they are measured on the same machine in the same minute.
  for (const backends of [["raw", "memory"], ["pglite"], ["postgres"]] as const) {
    for (const { outcome, row } of loaded) {
      for (const backend of backends) {
        if (row.on.includes(backend) && plan.backends(row.id).includes(backend)) {
          say(`${row.id} on ${backend} ...`)
          await measure(row, outcome, backend)
        }
      }
    }
    for (const backend of backends) {
      await (await doors.get(backend)?.catch(() => undefined))?.child.stop()
    }
  }
  for (const outcome of modelLayer) {
    say(`${outcome.id} ...`)
    try {
      const { bare, models } = await ModelLayer.measure(plan)
      note(outcome, "raw", bare)
      note(outcome, "memory", models)
    } catch (cause) {
      fail(outcome, "memory", cause)
    }
  }
  for (const backend of ["pglite", "postgres"] as const) {
    if (started.length === 0 || !plan.backends("starts").includes(backend)) continue
    say(`starts on ${backend} ...`)
    try {
      const figures = await Starts.measure(backend === "postgres" ? await databaseUrl() : undefined, plan)
      for (const { outcome, row } of started) note(outcome, backend, figures[row.of])
    } catch (cause) {
      for (const { outcome } of started) fail(outcome, backend, cause)
    }
  }
  if (!flags.json) console.log(table(outcomes))
} finally {
  await cleanUp()
}
