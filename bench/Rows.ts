/** The rows that put a server under load. */
import { channel } from "./Channel.ts"
import type { Door, Session } from "./Door.ts"
import { type Figure, median, type Plan, quantile } from "./Figures.ts"
import { freshRun, residentMemory } from "./Fresh.ts"
import * as Load from "./Load.ts"
import { cpuOf, fifty, openMany, type Row, runAll, workers } from "./Work.ts"

/** Servers whose code is hot. */
const hot = new WeakSet<Door>()

/** Lets the server's code get hot: the first thousand runs cost up to three times as much as those after them. */
export const warmUp = async (door: Door, plan: Plan) => {
  if (hot.has(door)) return
  hot.add(door)
  for (let done = 0; done < plan.warmUp; done += plan.runs) {
    await runAll(await openMany(door, workers, 0), fifty, plan.runs)
  }
}

const wholeRun: Row = {
  id: "run",
  what: "server CPU of a 50-delta run, 16 at once",
  reach: "≤ 1 ms, ≤ 4 × raw; durable ≤ 1.3 ms",
  on: ["raw", "memory", "pglite", "postgres"],
  limits: (backend) => ({ "": backend === "memory" ? { most: 1, timesRaw: 4 } : { most: 1.3 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const costs: Array<number> = []
    for (let round = 0; round < plan.rounds; round++) {
      const sessions = await openMany(door, workers, 0)
      await runAll(sessions, fifty, 1)
      costs.push(await cpuOf(door, () => runAll(sessions, fifty, plan.runs)) / (workers * plan.runs))
    }
    return [{ name: "", value: median(costs) / 1000, unit: "ms" }]
  }
}

const framesIn = (text: string): number => text.split("\ndata: ").length - 1

const hasEnded = (tail: string): boolean => tail.includes("\"REPLY_END\"")

const fanOut: Row = {
  id: "fan-out",
  what: "CPU per delivered event, 100 subscribers",
  reach: "≤ 1.5 × raw",
  on: ["raw", "memory", "pglite", "postgres"],
  limits: () => ({ "": { timesRaw: 1.5 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const session = await door.open(4)
    const watches = await Promise.all(Array.from({ length: 100 }, () => Load.watch(door.port, session.stream)))
    const costs: Array<number> = []
    // One round more than is counted: the first is to get warm.
    for (let round = 0; round <= plan.rounds; round++) {
      for (const { forget } of watches) forget()
      const cpu = await cpuOf(
        door,
        () => Promise.all([session.run("repeat 200 word "), ...watches.map(({ until }) => until(hasEnded))])
      )
      const delivered = watches.reduce((sum, { text }) => sum + framesIn(text()), framesIn(watches[0]!.text()))
      if (round > 0) costs.push(cpu / delivered)
    }
    for (const { leave } of watches) leave()
    return [{ name: "", value: median(costs), unit: "µs" }]
  }
}

/** What a delivered event costs at least where it is committed first: a hundredth of this lies in each of the deliveries above. */
const append: Row = {
  id: "append",
  what: "CPU of a commit of one event to the log",
  reach: "part of the row above",
  on: ["memory", "pglite", "postgres"],
  limits: () => ({}),
  measure: async (door, plan) => {
    const costs: Array<number> = []
    for (let round = 0; round <= plan.rounds; round++) {
      const { id } = await door.open(0)
      const cpu = await cpuOf(door, () => door.child.ask("append", id))
      if (round > 0) costs.push(cpu / 1_000)
    }
    return [{ name: "", value: median(costs), unit: "µs" }]
  }
}

/** Milliseconds before each delta. */
const pace = 20

const firstDelta: Row = {
  id: "first-delta",
  what: "added time to the first delta, 16 sessions at 20 ms a delta",
  reach: "p50 ≤ 3 ms, p99 ≤ 20 ms",
  on: ["raw", "memory", "pglite", "postgres"],
  limits: () => ({ p50: { most: 3 }, p99: { most: 20 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const sessions = await openMany(door, workers, pace)
    const added: Array<number> = []
    await Promise.all(sessions.map(async (session, i) => {
      // So that they do not all begin in the same millisecond.
      await new Promise((resolve) => setTimeout(resolve, i * 11))
      for (let run = 0; run <= plan.rounds * 4; run++) {
        const reply = await session.run("repeat 5 word ")
        if (run > 0) added.push(reply.firstDelta - pace)
      }
    }))
    return [
      { name: "p50", value: quantile(added, 0.5), unit: "ms" },
      { name: "p99", value: quantile(added, 0.99), unit: "ms" }
    ]
  }
}

/** How far the slow ones are from the usual one. */
const spread = (times: ReadonlyArray<number>) => quantile(times, 0.99) / quantile(times, 0.5)

const crowd: Row = {
  id: "crowd",
  what: "256 at once, no delay: time to the first delta; p99 to p50 there and at 16",
  reach: "p50 ≤ 200 ms; p99 ≤ 3 × p50",
  on: ["raw", "memory", "pglite", "postgres"],
  limits: () => ({ p50: { most: 200 }, "p99/p50": { most: 3 }, "of 16": { most: 3 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const timesOf = async (count: number, rounds: number) => {
      const sessions = await openMany(door, count, 0)
      const times: Array<number> = []
      for (let round = 0; round <= rounds; round++) {
        const replies = await Promise.all(sessions.map((session) => session.run(fifty)))
        if (round > 0) times.push(...replies.map((reply) => reply.firstDelta))
      }
      return times
    }
    const [many, few] = [await timesOf(256, plan.rounds), await timesOf(workers, plan.rounds * 8)]
    return [
      { name: "p50", value: quantile(many, 0.5), unit: "ms" },
      { name: "p99", value: quantile(many, 0.99), unit: "ms" },
      { name: "p99/p50", value: spread(many), unit: "×" },
      { name: "of 16", value: spread(few), unit: "×" }
    ]
  }
}

/** Streams are opened so many at a time, and spread over so many sessions. */
const batch = 100
const idleSessions = 100

const idle: Row = {
  id: "idle",
  what: "memory per idle subscriber (heap + external; RSS)",
  reach: "≤ 32 KB; 10,000 on one process",
  on: ["raw", "memory"],
  limits: () => ({ "1k": { most: 32 }, "10k": { most: 32 } }),
  fresh: true,
  measure: async (door, plan) => {
    const sessions = await openMany(door, idleSessions, 0)
    const paths = sessions.map(({ stream }) => stream)
    await runAll(sessions, fifty, 1)
    const openBatch = (count: number) =>
      Promise.all(Array.from({ length: count }, (_, i) => Load.idle(door.port, paths[i % paths.length]!)))
    const first = await openBatch(2 * batch)
    for (const socket of first) socket.destroy()
    const before = await door.child.ask("memory")
    const sockets: Array<Awaited<ReturnType<typeof Load.idle>>> = []
    const figures: Array<Figure> = []
    for (const count of plan.subscribers) {
      while (sockets.length < count) sockets.push(...await openBatch(batch))
      const after = await door.child.ask("memory")
      const perStream = (bytes: number) => bytes / 1024 / count
      const name = `${count / 1000}k`
      figures.push(
        { name, value: perStream(after.heap + after.external - before.heap - before.external), unit: "KB" },
        { name: `rss ${name}`, value: perStream(after.rss - before.rss), unit: "KB" }
      )
    }
    for (const socket of sockets) socket.destroy()
    return figures
  }
}

/** Turns that are measured, four times, around turn 10 and around turn 400. */
const window = 8
const windows = 4

const longSession: Row = {
  id: "turn-400",
  what: "CPU of turn 400 of a session against turn 10",
  reach: "≤ 1.2 ×",
  on: ["memory", "pglite"],
  limits: () => ({ "": { most: 1.2 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const old = await openMany(door, plan.longSessions, 0)
    await runAll(old, fifty, 400 - window * windows / 2)
    let late = 0
    let early = 0
    // In turns, so that whatever else the machine does falls on both.
    for (let i = 0; i < windows; i++) {
      const young = await openMany(door, plan.longSessions, 0)
      await runAll(young, fifty, 10 - window / 2)
      early += await cpuOf(door, () => runAll(young, fifty, window))
      late += await cpuOf(door, () => runAll(old, fifty, window))
    }
    return [{ name: "", value: late / early, unit: "×" }]
  }
}

const wire: Row = {
  id: "wire",
  what: "bytes on the wire of a 50-delta reply",
  reach: "≤ 12 KB",
  on: ["raw", "memory"],
  limits: () => ({ "": { most: 12 } }),
  measure: async (door) => {
    const session = await door.open(8)
    const { bytes, text } = await session.run(fifty)
    const deltas = text.split("\"TEXT_BLOCK_DELTA\"").length - 1
    if (deltas < 50) throw new Error(`Deltas were joined: ${deltas} of 50 came`)
    return [{ name: "", value: bytes / 1000, unit: "KB" }]
  }
}

/** Reads a session's events from the first to the last, again and again. */
const replayed = async (door: Door, { stream }: Session, last: number, plan: Plan): Promise<ReadonlyArray<Figure>> => {
  const times: Array<number> = []
  const costs: Array<number> = []
  for (let round = 0; round <= plan.rounds; round++) {
    let time = 0
    const cpu = await cpuOf(door, async () => {
      const since = performance.now()
      const watch = await Load.watch(door.port, `${stream}?after=0`)
      await watch.until((tail) => tail.includes(`id: ${last}\n`))
      time = performance.now() - since
      if (framesIn(watch.text()) !== last) throw new Error(`${framesIn(watch.text())} of ${last} events were replayed`)
      watch.leave()
    })
    // The first is to get warm.
    if (round === 0) continue
    times.push(time * 10_000 / last)
    costs.push(cpu / last)
  }
  return [
    { name: "time", value: median(times), unit: "ms" },
    { name: "CPU", value: median(costs), unit: "µs" }
  ]
}

/** Blocks of the script that fills a log; each makes three events: start, delta, end. */
const blocksPerRun = 250

const replay: Row = {
  id: "replay",
  what: "replay of 10,000 events: time, and CPU per event",
  reach: "≤ 100 ms, ≤ 5 µs",
  on: ["memory", "pglite", "postgres"],
  limits: () => ({ time: { most: 100 }, CPU: { most: 5 } }),
  measure: async (door, plan) => {
    const session = await door.open(0)
    // Deltas of different blocks are never joined, so there are as many events as we want.
    const script = Array.from({ length: blocksPerRun }, (_, i) => i % 2 === 0 ? "think hm" : "say word").join("\n")
    let last = 0
    while (last < 10_000) last = Number(/id: (\d+)\n.*\n\n$/.exec((await session.run(script)).text)![1])
    return replayed(door, session, last, plan)
  }
}

/** The same log in as many pieces as it can have. */
const slowReplay: Row = {
  id: "replay-pages",
  what: "the same, each event stored by itself (by fixture)",
  reach: "≤ 100 ms, ≤ 5 µs",
  on: ["memory", "pglite", "postgres"],
  limits: () => ({ time: { most: 100 }, CPU: { most: 5 } }),
  measure: async (door, plan) => {
    const session = await door.open(0)
    await door.child.ask("fill", session.id)
    return replayed(door, session, 10_000, plan)
  }
}

export const rows: ReadonlyArray<Row> = [
  wholeRun,
  channel(warmUp),
  freshRun,
  fanOut,
  append,
  firstDelta,
  crowd,
  longSession,
  wire,
  replay,
  slowReplay,
  idle,
  residentMemory
]
