/** What a zone's wall clock shows at a moment, when it shows a given time, and when it changes. Times are in milliseconds. */
import { timestampOf } from "../services/Now.ts"

/** Zones whose formatters are kept; the least recently used goes first. */
const maxZones = 512

const formatters = new Map<string, Intl.DateTimeFormat>()

const formatterOf = (zone: string): Intl.DateTimeFormat => {
  const known = formatters.get(zone)
  formatters.delete(zone)
  const formatter = known ?? new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric"
  })
  formatters.set(zone, formatter)
  if (formatters.size > maxZones) formatters.delete(formatters.keys().next().value!)
  return formatter
}

/** Whether it names a zone of the IANA database; a bare offset such as +01:00 is none. */
export const isZone = (zone: string): boolean => {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(zone)) return false
  try {
    formatterOf(zone)
    return true
  } catch {
    return false
  }
}

/** The wall clock at this moment, as if it were UTC. */
const wallOf = (zone: string, at: number): number => {
  const parts: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
  for (const { type, value } of formatterOf(zone).formatToParts(at)) parts[type] = Number(value)
  const { day, hour, minute, month, second, year } = parts
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!)
}

/** How far the zone's clock is ahead of UTC. */
const offsetOf = (zone: string, at: number): number => wallOf(zone, at) - Math.floor(at / 1000) * 1000

const day = 86_400_000

/** The moment in (from, to] at which the offset has changed; they must have different offsets, and one change between them. */
const changeBetween = (zone: string, from: number, to: number): number => {
  const before = offsetOf(zone, from)
  let [low, high] = [from, to]
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetOf(zone, middle) === before) low = middle
    else high = middle
  }
  return high
}

/** Step in which changes are looked for: no zone changes its clock twice in a week. */
const step = 7 * day

/** Most changes that are looked for, and how far ahead: what follows years later helps nobody. */
const maxChanges = 20
const horizon = 5 * 366 * day

export interface ClockChange {
  readonly at: number
  readonly before: number
  readonly after: number
}

/** The changes of the zone's clock in (from, to], the first 20 within five years. */
export const changesIn = (zone: string, from: number, to: number): ReadonlyArray<ClockChange> => {
  const changes: Array<ClockChange> = []
  const end = Math.min(to, from + horizon)
  for (let at = from; at < end && changes.length < maxChanges; at += step) {
    const next = Math.min(at + step, end)
    const [before, after] = [offsetOf(zone, at), offsetOf(zone, next)]
    if (before !== after) changes.push({ at: changeBetween(zone, at, next), before, after })
  }
  return changes
}

/**
 * The moment of a time on the zone's wall clock. One that comes twice means the
 * first, one that the clock skips means the first moment after.
 */
const momentOf = (zone: string, wall: number): number => {
  const [before, after] = [offsetOf(zone, wall - day), offsetOf(zone, wall + day)]
  const moments = [wall - before, wall - after].filter((at) => wallOf(zone, at) === Math.floor(wall / 1000) * 1000)
  return moments.length > 0
    ? Math.min(...moments)
    : changeBetween(zone, wall - day - before, wall + day - after)
}

/** Reads a time with or without an offset; undefined when there is no such time. */
export const readTime = (text: string, zone: string): number | undefined => {
  const hasOffset = /(Z|[+-]\d\d:?\d\d)$/.test(text)
  const millis = Date.parse(hasOffset ? text.replace(/([+-]\d\d)(\d\d)$/, "$1:$2") : `${text}Z`)
  if (Number.isNaN(millis)) return undefined
  // Date.parse takes February 30th for March 2nd.
  const day = text.slice(0, 10)
  if (timestampOf(Date.parse(`${day}T00:00:00Z`)).slice(0, 10) !== day) return undefined
  return hasOffset ? millis : momentOf(zone, millis)
}

const two = (value: number) => String(value).padStart(2, "0")

/** `+02:00` */
const offsetText = (offset: number): string => {
  const minutes = Math.round(Math.abs(offset) / 60_000)
  return `${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** `2026-03-29T03:00:00+02:00` */
export const localText = (zone: string, at: number): string => {
  const offset = offsetOf(zone, at)
  return `${timestampOf(at + offset).slice(0, 19)}${offsetText(offset)}`
}
