/**
 * How much slower than an idle, ordinary machine this one is now. Limits of
 * tests follow it: they say that something hangs, not that something is quick.
 */
import { createHash } from "node:crypto"
import { availableParallelism, loadavg } from "node:os"

/** Milliseconds that the work below takes on an idle machine of 2024. */
const ordinary = 100

/** Times that the work is done: a busy machine lets some through unhindered. */
const rounds = 3

const most = 20

const work = () => {
  const block = Buffer.alloc(1024 * 1024)
  const since = performance.now()
  for (let i = 0; i < 120; i++) createHash("sha256").update(block).digest()
  return performance.now() - since
}

/** Where the main process leaves the factor for those that run tests. */
const variable = "TEST_PATIENCE"

const measure = () => {
  const slowness = Math.max(...Array.from({ length: rounds }, work)) / ordinary
  const crowd = loadavg()[0]! / availableParallelism()
  return Math.min(most, Math.max(1, slowness, crowd))
}

/** 1 on an idle machine, up to 20. `TEST_PATIENCE` says it instead. */
export const factor: number = Number(process.env[variable] ?? "") || measure()

process.env[variable] = String(factor)

/** A limit that is right for an idle machine, in milliseconds, as it is right for this one. */
export const patience = (millis: number): number => Math.round(millis * factor)
