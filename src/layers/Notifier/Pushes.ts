/** Receivers of updates of tasks, in Storage, with their secrets sealed. */
import { Effect, Layer, Schema } from "effect"
import { type A2aPush, maxPushes, PushTarget, updateOf } from "../../domain/A2aPush.ts"
import { Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import type { Run } from "../../domain/Run.ts"
import { A2aPushes } from "../../services/A2aPushes.ts"
import { Jobs } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { now } from "../../services/Now.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import { jobOfPush, pushesOf, sealedFor, SealedTarget } from "./Pushing.ts"
import { Wanting } from "./Wanting.ts"

const wrong = (message: string) => new Invalid({ detail: `url: ${message}.`, errors: [{ path: "url", message }] })

const idOf = (run: string, name: string) => `${run}.${name}`

const isTarget = Schema.is(PushTarget)

/** What cannot be a header cannot be sent. */
const isHeader = (text: string | null) => text === null || /^[\x20-\x7e]*$/.test(text)

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const { a2aPushes, runs } = storage
  const jobs = yield* JobStore
  const { wake } = yield* Jobs
  const vault = yield* Vault
  const outbound = yield* Outbound
  const wanting = yield* Wanting

  const check = (target: PushTarget): Effect.Effect<void, Invalid> => {
    if (!isTarget(target)) {
      return Effect.fail(new Invalid({ detail: "The address, the token, the scheme or the credentials are too long." }))
    }
    const { credentials, scheme, token, url: text } = target
    const url = URL.canParse(text) ? new URL(text) : undefined
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      return Effect.fail(wrong("Expected an address such as https://example.com/hook"))
    }
    if (url.username !== "" || url.password !== "") return Effect.fail(wrong("Expected no user and no password"))
    if (outbound.forbids(url.href)) {
      return Effect.fail(wrong("This address may not be reached from here. An operator can allow it"))
    }
    return isHeader(token) && isHeader(scheme) && isHeader(credentials)
      ? Effect.void
      : Effect.fail(new Invalid({ detail: "A token and credentials are printable ASCII characters." }))
  }

  const opened = (push: A2aPush) =>
    Effect.map(
      // What cannot be opened any more must be given again.
      Effect.mapError(
        Effect.flatMap(vault.open(push.sealed, sealedFor(push)), Schema.decode(SealedTarget)),
        () => NotFound.of("Push notification config", push.name)
      ),
      (target) => ({ name: push.name, target })
    )

  const listed = (owner: A2aPush["user_id"], run: A2aPush["run_id"]) =>
    Effect.provideService(pushesOf(owner, run), Storage, storage)

  const room = ({ id, user_id }: Run, name: string) =>
    Effect.flatMap(
      listed(user_id, id),
      (all): Effect.Effect<void, LimitReached> =>
        all.filter((one) => one.name !== name).length < maxPushes ? Effect.void : new LimitReached({
          code: "too_many_receivers",
          detail: `A task tells at most ${maxPushes} receivers. Delete some first.`
        })
    )

  return A2aPushes.of({
    check,
    room,
    put: Effect.fnUntraced(function*(run, context, { name, target }) {
      yield* check(target)
      const { id: run_id, session_id, user_id } = run
      const at = yield* now
      const id = idOf(run_id, name)
      const sealed = yield* Effect.flatMap(
        Effect.orDie(Schema.encode(SealedTarget)(target)),
        (text) => vault.seal(text, sealedFor({ id, user_id }))
      )
      const push: A2aPush = {
        id,
        user_id,
        created_at: at,
        updated_at: at,
        session_id,
        run_id,
        name,
        context,
        sealed
      }
      yield* room(run, name)
      // From here on the end of the run makes a job; where it has come already, that job is made here.
      yield* wanting.add(user_id)
      const changed = a2aPushes.modify(user_id, id, (one) => ({ ...one, context, sealed, updated_at: at }))
      yield* Effect.catchTag(changed, "NotFound", () => a2aPushes.insert(push)).pipe(
        Effect.catchTags({ Conflict: () => changed, NotFound: () => Effect.void }),
        Effect.ignore
      )
      const update = yield* Effect.map(
        Effect.option(runs.get(user_id, run_id)),
        (found) => found._tag === "Some" ? updateOf(found.value) : undefined
      )
      if (update === undefined) return
      yield* jobs.add([jobOfPush(push, update)])
      yield* wake
    }),
    get: (owner, run, name) =>
      Effect.flatMap(
        Effect.mapError(a2aPushes.get(owner, idOf(run, name)), () => NotFound.of("Push notification config", name)),
        opened
      ),
    list: (owner, run) =>
      Effect.flatMap(listed(owner, run), (pushes) =>
        Effect.map(
          Effect.forEach(pushes, (push) => Effect.option(opened(push))),
          (all) => all.flatMap((one) => one._tag === "Some" ? [one.value] : [])
        )),
    remove: (owner, run, name) => Effect.ignore(a2aPushes.remove(owner, idOf(run, name)))
  })
})

export const layer: Layer.Layer<
  A2aPushes,
  never,
  Storage | JobStore | Jobs | Vault | Outbound | Wanting
> = Layer.effect(A2aPushes, make)
