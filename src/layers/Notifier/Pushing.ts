/** Brings updates of tasks to the receivers that clients of A2A have named. */
import { Duration, Effect, Option, Schema } from "effect"
import {
  type A2aPush,
  maxPushes,
  pushKind,
  PushTarget,
  type TaskState,
  updateKind,
  updateOf
} from "../../domain/A2aPush.ts"
import { RunId, Timestamp, type UserId } from "../../domain/Ids.ts"
import { type Job, newJob } from "../../domain/Job.ts"
import type { Run } from "../../domain/Run.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import { post } from "./Http.ts"

/** What jobs say. The state is the one that is told, whatever has become of the task since. */
const Update = Schema.Struct({ run_id: RunId, state: Schema.String, at: Timestamp })
const Push = Schema.Struct({ push_id: Schema.String, state: Schema.String, at: Timestamp })

const decodeUpdate = Schema.decodeUnknownOption(Update)
const decodePush = Schema.decodeUnknownOption(Push)

export const SealedTarget = Schema.parseJson(PushTarget)

export const sealedFor = ({ id, user_id }: Pick<A2aPush, "id" | "user_id">) => ({
  owner: user_id,
  record: `a2a_pushes/${id}`
})

const unreadable: Outcome = { result: "dead", error: "Its payload cannot be read." }

/** What fails first is storage; then there are nine more attempts over about a day. */
const pauses = [
  Duration.seconds(5),
  Duration.seconds(30),
  Duration.minutes(5),
  Duration.minutes(30),
  Duration.hours(1),
  Duration.hours(4),
  Duration.hours(8),
  Duration.hours(10)
]

/** The job of an update of a run that this protocol has started; nobody may want to hear of it. */
export const jobOfRun = (run: Run): ReadonlyArray<Job> => {
  const update = run.source === "channel" && run.source_id === "a2a" ? updateOf(run) : undefined
  if (update === undefined) return []
  const { at, id, state } = update
  return [newJob(id, run.user_id, updateKind, { run_id: run.id, state, at }, run.updated_at)]
}

/** The job that brings an update to one receiver. */
export const jobOfPush = (
  push: A2aPush,
  update: { readonly id: string; readonly state: string; readonly at: Timestamp }
): Job =>
  newJob(`${update.id}.${push.name}`, push.user_id, pushKind, {
    push_id: push.id,
    state: update.state,
    at: update.at
  }, update.at)

export const pushesOf = (owner: UserId, run: RunId) =>
  Effect.flatMap(Storage, ({ a2aPushes }) =>
    Effect.map(
      Effect.orDie(a2aPushes.list(owner, { limit: maxPushes, cursor: undefined }, { run_id: run })),
      ({ items }) => items
    ))

export const updates = Effect.gen(function*() {
  const jobs = yield* JobStore
  const storage = yield* Storage
  const handler: JobHandler = {
    kind: updateKind,
    timeout: Duration.seconds(30),
    pauses,
    work: Effect.fnUntraced(function*({ id, payload, user_id }) {
      const update = Option.getOrUndefined(decodeUpdate(payload))
      if (update === undefined) return unreadable
      const pushes = yield* Effect.provideService(pushesOf(user_id, update.run_id), Storage, storage)
      if (pushes.length === 0) return done
      return {
        result: "done",
        write: () => jobs.add(pushes.map((push) => jobOfPush(push, { id, state: update.state, at: update.at })))
      } satisfies Outcome
    })
  }
  return handler
})

/** One update, as a stream of the task would have it. Its receiver asks for the rest. */
const bodyOf = ({ context, run_id }: A2aPush, state: TaskState | string, timestamp: string) =>
  JSON.stringify({ statusUpdate: { taskId: run_id, contextId: context, status: { state, timestamp } } })

const headersOf = ({ credentials, scheme, token }: PushTarget): Readonly<Record<string, string>> => ({
  "content-type": "application/a2a+json",
  ...(token !== null && { "x-a2a-notification-token": token }),
  ...(scheme !== null && { authorization: credentials === null ? scheme : `${scheme} ${credentials}` })
})

const results = { delivered: "done", failed: "again", refused: "dead" } as const

export const pushing = Effect.gen(function*() {
  const { a2aPushes } = yield* Storage
  const vault = yield* Vault
  const outbound = yield* Outbound
  const handler: JobHandler = {
    kind: pushKind,
    timeout: Duration.minutes(1),
    pauses,
    work: Effect.fnUntraced(function*({ payload, user_id }) {
      const named = Option.getOrUndefined(decodePush(payload))
      if (named === undefined) return unreadable
      const push = Option.getOrUndefined(yield* Effect.option(a2aPushes.get(user_id, named.push_id)))
      // Its owner wants no more of it.
      if (push === undefined) return done
      const target = yield* Effect.option(
        Effect.flatMap(vault.open(push.sealed, sealedFor(push)), Schema.decode(SealedTarget))
      )
      if (Option.isNone(target)) {
        return { result: "dead", error: "The stored address cannot be opened with this server's key: give it again." }
      }
      const body = bodyOf(push, named.state, named.at)
      const sent = yield* post(outbound, target.value.url, body, headersOf(target.value))
      return {
        result: results[sent.result],
        ...(sent.error !== null && { error: sent.error }),
        ...(sent.retryAfter !== undefined && { pause: sent.retryAfter })
      } satisfies Outcome
    })
  }
  return handler
})
