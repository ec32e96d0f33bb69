/**
 * How much one credential may be used at a time and a minute, as its owner says:
 * calls beyond that wait their turn, for a bounded time and in a bounded number.
 */
import { Duration, Effect, Fiber } from "effect"
import type { FieldProblem } from "../../domain/Errors.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { ModelFailed } from "../../services/Models.ts"
import { monotonicMillis } from "../../services/Now.ts"
import { type Gate, Refused } from "./Gate.ts"

export interface Limits {
  readonly max_concurrency: number | undefined
  readonly requests_per_minute: number | undefined
}

/** Largest values. The times of a minute's requests are remembered. */
const most: Readonly<Record<keyof Limits, number>> = { max_concurrency: 1_000, requests_per_minute: 10_000 }

const names = ["max_concurrency", "requests_per_minute"] as const

/** How long a call waits for its turn, and how many calls may wait. */
const maxWait = Duration.seconds(30)
const maxWaiting = 1_000

const minute = 60_000

/** The fields as they stand in every credential type's JSON schema. */
const properties: JsonObject = {
  max_concurrency: {
    title: "Calls at the same time",
    type: "integer",
    minimum: 1,
    maximum: most.max_concurrency,
    description: "Calls beyond that wait their turn, up to 30 seconds."
  },
  requests_per_minute: {
    title: "Calls per minute",
    type: "integer",
    minimum: 1,
    maximum: most.requests_per_minute,
    description: "Calls beyond that wait their turn, up to 30 seconds."
  }
}

/** A credential type's JSON schema with these fields. */
export const withProperties = (schema: JsonObject): JsonObject => ({
  ...schema,
  properties: { ...schema["properties"] as JsonObject, ...properties }
})

const isWithin = (name: keyof Limits, value: unknown): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= most[name]

/** Takes the fields out of a credential's, and says what is wrong with them. */
export const split = (fields: JsonObject) => {
  const { max_concurrency, requests_per_minute, ...rest } = fields
  const given = { max_concurrency, requests_per_minute }
  const set = names.filter((name) => given[name] != null && given[name] !== "")
  return {
    rest,
    limits: Object.fromEntries(set.map((name) => [name, given[name]])) as JsonObject,
    problems: set.filter((name) => !isWithin(name, given[name])).map((name): typeof FieldProblem.Type => ({
      path: name,
      message: `Expected a whole number from 1 to ${most[name]}.`
    }))
  }
}

/** The limits in stored settings. */
export const of = (settings: JsonObject): Limits | undefined => {
  const [max_concurrency, requests_per_minute] = names.map((name) => {
    const value = settings[name]
    return isWithin(name, value) ? value : undefined
  })
  return max_concurrency === undefined && requests_per_minute === undefined
    ? undefined
    : { max_concurrency, requests_per_minute }
}

const refused = (why: string, seconds: number) =>
  new Refused({
    failed: new ModelFailed({
      type: "rate_limit",
      message: `The credential's own limit is reached: ${why}.`,
      retryable: true,
      retry_after: seconds
    })
  })

const tooMany = (limit: number) => refused(`${limit} calls at the same time`, 1)
const tooFast = (limit: number, seconds: number) => refused(`${limit} calls per minute`, seconds)

interface Waiter {
  readonly settle: (has: boolean) => void
}

/** Lets so many calls run at the same time; the others wait in a queue. One function decides which call leaves it, so no permit is lost. */
const line = (limit: number) => {
  let running = 0
  const queue = new Set<Waiter>()

  const leave = () => {
    const [next] = queue
    if (next === undefined) running--
    else next.settle(true)
  }

  const wait = Effect.suspend(() => {
    let waiter: Waiter | undefined
    const expire = Effect.delay(Effect.sync(() => waiter?.settle(false)), maxWait)
    const waiting = Effect.async<void, Refused>((resume) => {
      let has = false
      const mine: Waiter = {
        settle: (given) => {
          if (!queue.delete(mine)) return
          has = given
          resume(given ? Effect.void : Effect.fail(tooMany(limit)))
        }
      }
      waiter = mine
      queue.add(mine)
      return Effect.sync(() => {
        if (!queue.delete(mine) && has) leave()
      })
    })
    return Effect.flatMap(Effect.fork(expire), (timer) => Effect.ensuring(waiting, Fiber.interruptFork(timer)))
  })

  const enter: Effect.Effect<void, Refused> = Effect.suspend(() => {
    if (running < limit) {
      running++
      return Effect.void
    }
    return queue.size < maxWaiting ? wait : Effect.fail(tooMany(limit))
  })

  return { enter, leave: Effect.sync(leave) }
}

/** Lets so many calls begin in each minute, in the order in which they arrive. */
const turns = (limit: number) => {
  /** When the last calls began or will begin, on a clock that only goes forward; a turn that is not taken up stays taken. */
  const times: Array<number> = []
  return Effect.flatMap(monotonicMillis, (now) => {
    while (times.length > 0 && times[0]! <= now - minute) times.shift()
    const at = Math.max(now, (times.at(-limit) ?? -minute) + minute)
    if (at - now > Duration.toMillis(maxWait)) return Effect.fail(tooFast(limit, Math.ceil((at - now) / 1000)))
    times.push(at)
    return at > now ? Effect.sleep(at - now) : Effect.void
  })
}

export const make = ({ max_concurrency, requests_per_minute }: Limits): Gate => {
  const slot = requests_per_minute === undefined ? Effect.void : turns(requests_per_minute)
  if (max_concurrency === undefined) return (attempt) => Effect.zipRight(slot, attempt)
  const { enter, leave } = line(max_concurrency)
  return (attempt) =>
    Effect.acquireUseRelease(Effect.interruptible(enter), () => Effect.zipRight(slot, attempt), () => leave)
}
