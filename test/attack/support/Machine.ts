/** How much slower than an idle, ordinary machine this one is: limits of time follow it. */
import { createHash } from "node:crypto"
import { availableParallelism, loadavg } from "node:os"

/** Milliseconds of CPU that the work below takes on an ordinary machine. */
const ordinary = 100

const work = () => {
  const block = Buffer.alloc(1024 * 1024)
  const since = process.cpuUsage()
  for (let i = 0; i < 120; i++) createHash("sha256").update(block).digest()
  const { system, user } = process.cpuUsage(since)
  return (user + system) / 1000
}

/** For CPU time: 1, or more on a slow machine. */
export const slowness = Math.min(5, Math.max(1, work() / ordinary))

/** For time on the wall: a crowded machine is slower still. */
export const patience = (millis: number) =>
  Math.round(millis * Math.min(10, Math.max(slowness, loadavg()[0]! / availableParallelism())))
