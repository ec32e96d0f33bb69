/**
 * Loaded into the server before everything else (`--import`): writes a line
 * for every turn of the event loop that has kept the main thread busy for
 * long, and what memory the process takes. It counts CPU time of that thread
 * where the system tells it (Linux), so that other programs do not count.
 */
import { openSync, readSync, writeSync } from "node:fs"

/** How often the loop is looked at, and the shortest stretch that is told, in milliseconds. */
const every = 10
const told = 40

const file = process.env.TEST_STRETCHES

/** CPU time of the main thread, in milliseconds. */
const clock = () => {
  try {
    // The main thread has the id of the process.
    const stat = openSync(`/proc/self/task/${process.pid}/schedstat`, "r")
    const buffer = Buffer.alloc(64)
    return () => Number(buffer.toString("latin1", 0, readSync(stat, buffer, 0, 64, 0)).split(" ")[0]) / 1e6
  } catch {
    return () => process.cpuUsage().user / 1000
  }
}

/** Resident memory, in bytes; asked without opening a file, since there may be none left to open. */
const memory = () => {
  try {
    const statm = openSync("/proc/self/statm", "r")
    const buffer = Buffer.alloc(128)
    return () => Number(buffer.toString("latin1", 0, readSync(statm, buffer, 0, 128, 0)).split(" ")[1]) * 4096
  } catch {
    return process.memoryUsage.rss
  }
}

if (file !== undefined) {
  const out = openSync(file, "a")
  const cpu = clock()
  const rss = memory()
  let before = cpu()
  let wall = performance.now()
  let ticks = 0
  const look = () => {
    const now = performance.now()
    const used = cpu()
    const line = { at: Date.now(), cpu: Math.round(used - before), wall: Math.round(now - wall) }
    if (line.cpu >= told) writeSync(out, `${JSON.stringify(line)}\n`)
    if (++ticks % 10 === 0) writeSync(out, `${JSON.stringify({ at: line.at, rss: rss() })}\n`)
    before = cpu()
    wall = now
  }
  setInterval(look, every).unref()
}
