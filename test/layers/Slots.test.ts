import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import type { Timestamp } from "../../src/domain/Ids.ts"
import type { Timing, TimingInput } from "../../src/domain/Schedule.ts"
import * as Slots from "../../src/layers/Slots.ts"
import { chance } from "../crash/Chance.ts"
import { patience } from "../support/Patience.ts"
import { walk, Zone } from "../support/Walker.ts"

/** `npm run test:schedules` compares all of them; else it is a sample. */
const isWhole = process.env["TEST_SCHEDULES"] === "all"

const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const zones = `
  Europe/Berlin America/New_York Australia/Lord_Howe Africa/Casablanca Asia/Kolkata UTC Europe/London
  Europe/Dublin Europe/Lisbon Europe/Athens Europe/Moscow Europe/Istanbul America/Los_Angeles
  America/Denver America/Chicago America/Halifax America/St_Johns America/Sao_Paulo America/Santiago
  America/Havana America/Asuncion America/Caracas America/Phoenix America/Nuuk America/Mexico_City
  Africa/Cairo Africa/Lagos Africa/El_Aaiun Asia/Tokyo Asia/Shanghai Asia/Beirut Asia/Jerusalem
  Asia/Gaza Asia/Tehran Asia/Kathmandu Australia/Sydney Australia/Adelaide Pacific/Auckland
  Pacific/Chatham Antarctica/Troll
`.trim().split(/\s+/)

/** Expressions made by chance, with everything that five and six fields may hold. */
const expressions = (count: number, seed: number): ReadonlyArray<string> => {
  const { between, of } = chance(seed)
  const one = (from: number, to: number) => String(between(from, to))
  const range = (from: number, to: number) => {
    const low = Number(one(from, to - 1))
    return `${low}-${one(low + 1, to)}`
  }
  const field = (from: number, to: number) => {
    if (of(0.35)) return one(from, to)
    if (of(0.3)) {
      return [one(from, to), one(from, to), one(from, to)].toSorted((a, b) => Number(a) - Number(b)).join(",")
    }
    if (of(0.4)) return range(from, to)
    return of(0.5) ? `*/${one(2, Math.min(to, 23))}` : "*"
  }
  const hours = () => of(0.6) ? one(0, 3) : of(0.4) ? range(0, 5) : field(0, 23)
  const days = () => of(0.75) ? "*" : of(0.5) ? one(1, 28) : range(1, 31)
  const months = () => of(0.8) ? "*" : of(0.5) ? "MAR,APR,OCT,NOV" : range(1, 12)
  const weekdays = () => of(0.75) ? "*" : of(0.5) ? "SUN" : of(0.5) ? "MON-FRI" : one(0, 7)
  return Array.from({ length: count }, (_, i) => {
    const five = `${field(0, 59)} ${hours()} ${days()} ${months()} ${weekdays()}`
    return i % 5 === 4 ? `${of(0.6) ? one(0, 59) : "0,30"} ${five}` : five
  })
}

const timingOf = (cron_expression: string, timezone: string, changes: Partial<Timing> = {}): Timing => ({
  cron_expression,
  interval_seconds: null,
  once_at: null,
  timezone,
  started_at: "2000-01-01T00:00:00.000Z" as Timestamp,
  ended_at: null,
  ...changes
})

const slotsOf = (timing: Timing) => Either.getOrThrowWith(Slots.of(timing), (why) => new Error(why))

const shown = (times: ReadonlyArray<number>) => times.map((at) => new Date(at).toISOString())

/** Compares both in [from, to), as far as `most` times reach. */
const compare = (zone: Zone, expression: string, from: number, to: number, most: number) => {
  const { last, next } = slotsOf(timingOf(expression, zone.name))
  const times: Array<number> = []
  for (let at = next(from - 1); at !== undefined && at < to && times.length < most; at = next(at)) times.push(at)
  const end = times.length < most ? to : Math.floor(times.at(-1)! / minute) * minute
  const expected = walk(zone, expression, from, end)
  assert.deepStrictEqual(shown(times.filter((at) => at < end)), shown(expected), `${expression} in ${zone.name}`)
  assert.deepStrictEqual(
    shown(last(end - 1, Math.min(expected.length, 20))),
    shown(expected.slice(-20)),
    `${expression} in ${zone.name}, backwards`
  )
}

describe("The times of a cron expression", () => {
  it(
    "are those that walking through every minute of the zone's clock finds, clock changes included",
    () => {
      const seed = 12
      const { between } = chance(seed)
      const [from, to] = [Date.UTC(2024, 0, 1), Date.UTC(2027, 0, 1)]
      const all = expressions(200, seed)
      for (const [i, name] of (isWhole ? zones : zones.slice(0, 8)).entries()) {
        const zone = new Zone(name)
        const changes = zone.changes(from, to)
        const some = isWhole ? all : all.filter((_, k) => k % 25 === (i * 3) % 25)
        for (const expression of some) {
          for (const change of isWhole ? changes : changes.slice(0, 2)) {
            const around = Math.floor((change - between(1, 5) * hour) / minute) * minute
            compare(zone, expression, around, change + 30 * hour, isWhole ? 150 : 60)
          }
          const anywhere = Math.floor(between(from, to - 3 * day) / minute) * minute
          compare(zone, expression, anywhere, anywhere + 3 * day, 60)
        }
      }
    },
    isWhole ? 7_200_000 : patience(60_000)
  )

  it("are right where a zone has skipped midnight, a whole day, or half an hour", () => {
    const cases = [
      ["America/Sao_Paulo", Date.UTC(2018, 10, 3, 12)],
      ["Pacific/Apia", Date.UTC(2011, 11, 29, 6)],
      ["Australia/Lord_Howe", Date.UTC(2026, 9, 3, 12)]
    ] as const
    for (const [name, from] of cases) {
      for (
        const expression of [
          "0 0 * * *",
          "15 0 * * *",
          "*/15 0-3 * * *",
          "30 2 * * *",
          "15,45 0,2 * * *",
          "10 30 9 30 12 *"
        ]
      ) {
        compare(new Zone(name), expression, from, from + 3 * day, 100)
      }
    }
  })

  it("follow the rule that is written down", () => {
    const times = (expression: string, from: string, count: number) => {
      const { next } = slotsOf(timingOf(expression, "Europe/Berlin"))
      const found: Array<number> = []
      for (let at = next(Date.parse(from)); at !== undefined && found.length < count; at = next(at)) found.push(at)
      return shown(found)
    }
    // 02:00 becomes 03:00.
    assert.deepStrictEqual(times("30 2 * * *", "2026-03-28T12:00:00Z", 2), [
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:30:00.000Z"
    ])
    assert.deepStrictEqual(times("0,30 2 * * *", "2026-03-28T12:00:00Z", 2), [
      "2026-03-29T01:00:00.000Z",
      "2026-03-30T00:00:00.000Z"
    ])
    assert.deepStrictEqual(times("*/30 2 * * *", "2026-03-28T12:00:00Z", 1), ["2026-03-30T00:00:00.000Z"])
    // 03:00 becomes 02:00 again.
    assert.deepStrictEqual(times("30 2 * * *", "2026-10-24T12:00:00Z", 2), [
      "2026-10-25T00:30:00.000Z",
      "2026-10-26T01:30:00.000Z"
    ])
    assert.deepStrictEqual(times("*/30 2 * * *", "2026-10-24T12:00:00Z", 4), [
      "2026-10-25T00:00:00.000Z",
      "2026-10-25T00:30:00.000Z",
      "2026-10-25T01:00:00.000Z",
      "2026-10-25T01:30:00.000Z"
    ])
  })
})

const now = Date.parse("2026-11-26T10:00:30.500Z")

const read = (input: Partial<TimingInput>, minSeconds = 10) =>
  Slots.read({ timezone: "UTC", ...input }, now, minSeconds)

const wrong = (input: Partial<TimingInput>, minSeconds?: number) =>
  Either.match(read(input, minSeconds), { onLeft: ({ path }) => path, onRight: () => undefined })

const first = (input: Partial<TimingInput>) =>
  Either.match(read(input), {
    onLeft: ({ message }) => message,
    onRight: ({ slots }) => new Date(slots.next(now)!).toISOString()
  })

describe("What a client asks for", () => {
  it("names the field that is wrong", () => {
    for (
      const cron_expression of [
        "",
        "* * * *",
        "61 * * * *",
        "* * * * * * *",
        "*/0 * * * *",
        "L",
        "@reboot",
        "@sometimes",
        "2030-01-01T00:00:00",
        "* ? * * *",
        "0 0 30 2 *",
        "0 0 31 2,4,6,9,11 *",
        "0 0 L 2 +MON#1",
        "x".repeat(256),
        "0-59/0.5 * * * *"
      ]
    ) {
      assert.strictEqual(wrong({ cron_expression }), "cron_expression", cron_expression)
    }
    for (const timezone of ["Mars/Base", "", "+01:00", "Europe/Berlin; drop", "__proto__"]) {
      assert.strictEqual(wrong({ cron_expression: "0 9 * * *", timezone }), "timezone", timezone)
    }
    assert.strictEqual(wrong({}), "cron_expression")
    assert.strictEqual(wrong({ cron_expression: "0 9 * * *", interval_seconds: 60 }), "cron_expression")
    assert.strictEqual(wrong({ interval_seconds: 5 }), "interval_seconds")
    assert.strictEqual(wrong({ once_at: "2026-11-26T10:00:00Z" }), "once_at")
    assert.strictEqual(wrong({ once_at: "2026-02-30T10:00:00Z" }), "once_at")
    const daily = { cron_expression: "0 9 * * *" }
    assert.strictEqual(
      wrong({ ...daily, started_at: "2027-01-02T00:00:00Z", ended_at: "2027-01-01T00:00:00Z" }),
      "ended_at"
    )
    assert.strictEqual(
      wrong({ ...daily, started_at: "2020-01-02T00:00:00Z", ended_at: "2021-01-01T00:00:00Z" }),
      "ended_at"
    )
    assert.strictEqual(wrong({ ...daily, ended_at: "2026-11-26T12:00:00Z" }), "ended_at")
  })

  it("may not fire more often than is allowed", () => {
    for (const cron_expression of ["* * * * * *", "*/5 * * * * *", "0,59 * * * * *", "1,2 0 9 1 1 *"]) {
      assert.strictEqual(wrong({ cron_expression }), "cron_expression", cron_expression)
      assert.isUndefined(wrong({ cron_expression }, 1), cron_expression)
    }
    for (const cron_expression of ["*/10 * * * * *", "5 * * * * *", "* * * * *", "@hourly"]) {
      assert.isUndefined(wrong({ cron_expression }), cron_expression)
    }
  })

  it("may be five fields, six, names, an interval, or one time on the zone's clock", () => {
    assert.strictEqual(first({ cron_expression: "54 3 * * *" }), "2026-11-27T03:54:00.000Z")
    assert.strictEqual(first({ cron_expression: "15 54 3 * * *" }), "2026-11-27T03:54:15.000Z")
    assert.strictEqual(first({ cron_expression: "0 9 * JAN mon-fri" }), "2027-01-01T09:00:00.000Z")
    assert.strictEqual(first({ cron_expression: "0 0 9 ? * MON" }), "2026-11-30T09:00:00.000Z")
    assert.strictEqual(first({ cron_expression: "@daily", timezone: "Europe/Berlin" }), "2026-11-26T23:00:00.000Z")
    assert.strictEqual(first({ interval_seconds: 90 }), "2026-11-26T10:02:00.500Z")
    assert.strictEqual(first({ interval_seconds: 90, started_at: "2026-11-27T00:00:00Z" }), "2026-11-27T00:00:00.000Z")
    const berlin = { timezone: "Europe/Berlin" }
    assert.strictEqual(first({ once_at: "2026-12-24T18:00:00", ...berlin }), "2026-12-24T17:00:00.000Z")
    assert.strictEqual(first({ once_at: "2026-12-24T18:00+0530", ...berlin }), "2026-12-24T12:30:00.000Z")
    assert.strictEqual(first({ once_at: "2027-03-28T02:30:00", ...berlin }), "2027-03-28T01:00:00.000Z")
    assert.strictEqual(first({ once_at: "2027-10-31T02:30:00", ...berlin }), "2027-10-31T00:30:00.000Z")
  })

  it("counts an interval from its start without walking through it", () => {
    const { last, next } = slotsOf(timingOf("", "UTC", { interval_seconds: 0.1 }))
    assert.strictEqual(next(now), now + 100)
    assert.deepStrictEqual(last(now, 3), [now - 200, now - 100, now])
  })

  it("is answered with its next times, and says what the clock changes in between do", () => {
    const timing = timingOf("30 2 * * *", "Europe/Berlin")
    const before = Date.parse("2027-03-26T12:00:00Z")
    assert.deepStrictEqual(Slots.preview(timing, slotsOf(timing), before, 3), {
      timezone: "Europe/Berlin",
      next: [
        { at: "2027-03-27T01:30:00.000Z" as Timestamp, local: "2027-03-27T02:30:00+01:00" },
        { at: "2027-03-28T01:00:00.000Z" as Timestamp, local: "2027-03-28T03:00:00+02:00" },
        { at: "2027-03-29T00:30:00.000Z" as Timestamp, local: "2027-03-29T02:30:00+02:00" }
      ],
      clock_changes: [{
        at: "2027-03-28T01:00:00.000Z" as Timestamp,
        text: "The clocks of Europe/Berlin go forward by 1 hour on 2027-03-28: 02:00 becomes 03:00. " +
          "A time in between fires at 03:00."
      }]
    })
    const repeating = timingOf("*/30 * * * *", "America/New_York")
    const { clock_changes } = Slots.preview(repeating, slotsOf(repeating), Date.parse("2026-11-01T05:00:00Z"), 6)
    assert.deepStrictEqual(clock_changes.map(({ text }) => text), [
      "The clocks of America/New_York go back by 1 hour on 2026-11-01: 02:00 becomes 01:00 again. " +
      "Times in between happen twice that day."
    ])
  })

  it("takes no long time to answer, whatever it is", () => {
    for (const cron_expression of ["0 0 L 2 +MON#1", "0 0 29 2 +1#5", "0 0 1 1 *", "59 59 23 31 11 *"]) {
      const since = process.cpuUsage()
      const found = read({ cron_expression, timezone: "America/St_Johns" })
      if (Either.isRight(found)) Slots.preview(found.right.timing, found.right.slots, now, 100)
      // What it works, so that tests beside this one do not count.
      const { system, user } = process.cpuUsage(since)
      assert.isBelow((system + user) / 1_000, patience(2_000), cron_expression)
    }
  })
})
