/**
 * When a schedule fires: the times that it names, before jitter, in milliseconds.
 *
 * Clock changes. A cron expression whose seconds, minutes and hours are numbers, lists and ranges names times of
 * the day, and each of them happens once a day: one that the clock skips happens at the first moment after the
 * change, together with others that are skipped; one that comes twice happens the first time. An expression
 * with `*` or `/` in one of these fields repeats: it fires whenever the wall clock shows what it asks for, so what
 * is skipped does not fire, and a repeated hour fires in both. A whole day that a zone leaves out has no times. An
 * interval counts real time.
 */
import { Cron } from "croner"
import { DateTime, Either } from "effect"
import type { FieldProblem } from "../domain/Errors.ts"
import type { Timestamp } from "../domain/Ids.ts"
import type { NextFires, Timing, TimingInput } from "../domain/Schedule.ts"
import { timestampOf } from "../services/Now.ts"
import * as WallClock from "./WallClock.ts"

type Problem = typeof FieldProblem.Type

const problem = (path: keyof TimingInput, message: string): Problem => ({ path, message })

export interface Slots {
  /** The first time after this one; undefined when there is none. */
  readonly next: (after: number) => number | undefined
  /** The newest times at or before this one, at most `count`, oldest first. */
  readonly last: (at: number, count: number) => ReadonlyArray<number>
}

const nicknames = /^@(yearly|annually|monthly|weekly|daily|midnight|hourly)$/i

/** Quartz writes `?` where it asks for no day; croner would read it as the day on which it is asked. */
const withoutQuestions = (fields: ReadonlyArray<string>) =>
  fields.map((field, i) => field === "?" && (i === fields.length - 1 || i === fields.length - 3) ? "*" : field)

/** croner takes no numbers. */
const dateOf = (millis: number) => DateTime.toDateUtc(DateTime.unsafeMake(millis))

/** croner's words, without its own name and its quotes of the whole expression. */
const wordsOf = (cause: unknown): string =>
  cause instanceof Error ? cause.message.replace(/^Cron\w+: /, "").slice(0, 200) : "It cannot be read."

/** The expression as croner reads it; a thrown error says what is wrong. */
const cronOf = (expression: string, timezone: string): Cron => {
  const fields = expression.trim().split(/\s+/)
  if (fields.length === 1 && nicknames.test(fields[0]!)) return new Cron(fields[0]!, { timezone, paused: true })
  if (fields.length !== 5 && fields.length !== 6) {
    throw new Error("Expected five fields (minute hour day month weekday), or six with seconds first.")
  }
  if (fields.some((field) => field.includes("?")) && withoutQuestions(fields).some((field) => field.includes("?"))) {
    throw new Error("A ? may only stand for the day or the weekday.")
  }
  return new Cron(withoutQuestions(fields).join(" "), {
    timezone,
    paused: true,
    mode: "5-or-6-parts",
    fixedTimeRule: "no-wildcard"
  })
}

/** The shortest time between two seconds that the expression names, in seconds; those of two minutes count too. */
const gapOf = (expression: string): number => {
  const fields = expression.trim().split(/\s+/)
  if (fields.length !== 6) return 60
  const seconds = new Cron(`${fields[0]} * * * * *`, { timezone: "UTC", paused: true, mode: "6-part" })
  const named = Array.from({ length: 60 }, (_, second) => second).filter((second) =>
    seconds.match(dateOf(second * 1000))
  )
  return Math.min(...named.map((second, i) => (named[i + 1] ?? named[0]! + 60) - second))
}

const cronSlots = (cron: Cron): Slots => ({
  next: (after) => cron.nextRun(dateOf(after))?.getTime(),
  // croner looks before the time that it is given.
  last: (at, count) => cron.previousRuns(count, dateOf(at + 1)).map((date) => date.getTime()).toReversed()
})

const intervalSlots = (start: number, interval: number): Slots => {
  const slot = (n: number) => start + n * interval
  return {
    next: (after) => after < start ? start : slot(Math.floor((after - start) / interval) + 1),
    last: (at, count) => {
      const newest = Math.floor((at - start) / interval)
      const length = Math.max(0, Math.min(count, newest + 1))
      return Array.from({ length }, (_, i) => slot(newest - length + 1 + i))
    }
  }
}

const onceSlots = (once: number): Slots => ({
  next: (after) => after < once ? once : undefined,
  last: (at) => at < once ? [] : [once]
})

/** The same between the schedule's start and end, which both may fire. */
const within = ({ last, next }: Slots, start: number, end: number): Slots => ({
  next: (after) => {
    const slot = next(Math.max(after, start - 1))
    return slot === undefined || slot > end ? undefined : slot
  },
  last: (at, count) => last(Math.min(at, end), count).filter((slot) => slot >= start)
})

const millisOf = (time: Timestamp): number => Date.parse(time)

/** The times of a stored schedule. Left says what is wrong with it: it may have been stored by another version. */
export const of = (timing: Timing): Either.Either<Slots, string> =>
  Either.try({
    try: () => {
      if (!WallClock.isZone(timing.timezone)) throw new Error(`There is no time zone '${timing.timezone}'.`)
      const start = millisOf(timing.started_at)
      const end = timing.ended_at === null ? Infinity : millisOf(timing.ended_at)
      const slots = timing.once_at !== null
        ? onceSlots(millisOf(timing.once_at))
        : timing.interval_seconds !== null
        ? intervalSlots(start, timing.interval_seconds * 1000)
        : cronSlots(cronOf(timing.cron_expression, timing.timezone))
      return within(slots, timing.once_at === null ? start : -Infinity, end)
    },
    catch: wordsOf
  })

/** Whether a text is there: clients send empty ones for what they do not use. */
const given = (text: string | null | undefined): text is string => text != null && text.trim() !== ""

/**
 * Reads what a client asks for at `now`. Left names the field that is wrong: it cannot be read, never fires,
 * fires more often than `minSeconds` allow, or is over already.
 */
export const read = (
  input: TimingInput,
  now: number,
  minSeconds: number
): Either.Either<{ readonly timing: Timing; readonly slots: Slots }, Problem> =>
  Either.gen(function*() {
    const { timezone } = input
    if (!WallClock.isZone(timezone)) {
      return yield* Either.left(
        problem("timezone", "Expected a zone of the IANA database such as Europe/Berlin; there is none of this name.")
      )
    }
    const kinds = [given(input.cron_expression), input.interval_seconds != null, given(input.once_at)]
    if (kinds.filter(Boolean).length !== 1) {
      return yield* Either.left(
        problem("cron_expression", "Expected one of cron_expression, interval_seconds and once_at.")
      )
    }
    const timeOf = (path: "once_at" | "started_at" | "ended_at") => {
      const text = input[path]
      if (!given(text)) return Either.right(undefined)
      const at = WallClock.readTime(text, timezone)
      return at === undefined ? Either.left(problem(path, "There is no such time.")) : Either.right(at)
    }
    const once = yield* timeOf("once_at")
    const start = (yield* timeOf("started_at")) ?? now
    const end = yield* timeOf("ended_at")
    if (end !== undefined && end < start) {
      return yield* Either.left(problem("ended_at", "The end is before the start."))
    }
    if (end !== undefined && end <= now) return yield* Either.left(problem("ended_at", "The end is over already."))
    if (once !== undefined && once <= now) return yield* Either.left(problem("once_at", "This time is over already."))
    if (input.interval_seconds != null && input.interval_seconds < minSeconds) {
      return yield* Either.left(problem("interval_seconds", `Fires must be ${minSeconds} seconds apart or more.`))
    }
    const timing: Timing = {
      cron_expression: given(input.cron_expression) ? input.cron_expression.trim() : "",
      interval_seconds: input.interval_seconds ?? null,
      once_at: once === undefined ? null : timestampOf(once),
      timezone,
      started_at: timestampOf(start),
      ended_at: end === undefined ? null : timestampOf(end)
    }
    const field = once !== undefined
      ? "once_at"
      : timing.interval_seconds !== null
      ? "interval_seconds"
      : "cron_expression"
    const slots = yield* Either.mapLeft(of(timing), (message) => problem(field, message))
    if (field === "cron_expression" && gapOf(timing.cron_expression) < minSeconds) {
      return yield* Either.left(problem(field, `Fires must be ${minSeconds} seconds apart or more.`))
    }
    if (slots.next(now) === undefined) {
      const endless = end === undefined ? undefined : Either.getOrUndefined(of({ ...timing, ended_at: null }))
      const isEnd = endless?.next(now) !== undefined
      return yield* Either.left(
        isEnd ? problem("ended_at", "It never fires before its end.") : problem(field, "It never fires.")
      )
    }
    return { timing, slots }
  })

const minutesText = (millis: number) => {
  const minutes = Math.round(Math.abs(millis) / 60_000)
  return minutes % 60 === 0 ? `${minutes / 60} hour${minutes === 60 ? "" : "s"}` : `${minutes} minutes`
}

const clockText = (wall: number) => timestampOf(wall).slice(11, 16)

/** Says in words what a change of the clock does. */
const textOf = (zone: string, { after, at, before }: WallClock.ClockChange, isRepeating: boolean): string => {
  const day = timestampOf(at + before).slice(0, 10)
  const forward = after > before
  const from = clockText(at + before)
  const to = clockText(at + after)
  const what = forward
    ? `The clocks of ${zone} go forward by ${minutesText(after - before)} on ${day}: ${from} becomes ${to}.`
    : `The clocks of ${zone} go back by ${minutesText(after - before)} on ${day}: ${from} becomes ${to} again.`
  const then = forward
    ? isRepeating
      ? "Times in between do not happen that day."
      : `A time in between fires at ${to}.`
    : isRepeating
    ? "Times in between happen twice that day."
    : "A time in between fires once, the first time."
  return `${what} ${then}`
}

/** Whether the expression repeats, rather than naming times of the day; an interval does, and follows no clock. */
const repeats = ({ cron_expression }: Timing): boolean => {
  const fields = cron_expression.split(/\s+/)
  if (/^@hourly$/i.test(cron_expression)) return true
  return fields.length > 1 && fields.slice(0, fields.length - 3).some((field) => /[*/]/.test(field))
}

/** The next times after `now`, at most `count`, with the clock changes up to the last of them. */
export const preview = (timing: Timing, { next }: Slots, now: number, count: number): NextFires => {
  const { timezone } = timing
  const times: Array<number> = []
  for (let slot = next(now); slot !== undefined && times.length < count; slot = next(slot)) times.push(slot)
  const isByClock = timing.cron_expression !== ""
  const changes = isByClock && times.length > 0 ? WallClock.changesIn(timezone, now, times.at(-1)!) : []
  return {
    timezone,
    next: times.map((at) => ({ at: timestampOf(at), local: WallClock.localText(timezone, at) })),
    clock_changes: changes.map((change) => ({
      at: timestampOf(change.at),
      text: textOf(timezone, change, repeats(timing))
    }))
  }
}
