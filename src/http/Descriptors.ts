/** How many sockets the process can have without starving the files and the database that it also needs descriptors for. */
import { readFileSync } from "node:fs"

/** Descriptors for the database, its files, the logs, the lock and Node itself; half of all where there are few. */
const reserved = 256

/** The part of the rest that clients may have. What is left is for calls of models and other hosts. */
const clientShare = 0.75

/** Most connections where descriptors are plenty: an idle stream takes some 20 KB of memory. */
const most = 16_384

/** Where the system does not say how many there are. */
const usualLimit = 1_024

/** The soft limit of open descriptors. Node has raised it to the hard limit when it started. */
export const descriptorLimit = (): number => {
  try {
    const found = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]
    if (found !== undefined) return found === "unlimited" ? Infinity : Number(found)
  } catch {
    // No Linux: the slower way below knows.
  }
  const report: unknown = process.report?.getReport()
  const limits = typeof report === "object" && report !== null && "userLimits" in report ? report.userLimits : undefined
  const files = typeof limits === "object" && limits !== null && "open_files" in limits ? limits.open_files : undefined
  const soft = typeof files === "object" && files !== null && "soft" in files ? files.soft : undefined
  if (soft === "unlimited") return Infinity
  return typeof soft === "number" ? soft : usualLimit
}

/** Connections that clients may have: what the operator wants, or `most`, and never more than the descriptors allow. */
export const capacityOf = (wanted: number | undefined, limit: number): number =>
  Math.max(1, Math.min(wanted ?? most, Math.floor((limit - Math.min(reserved, limit / 2)) * clientShare)))
