/**
 * Questions as rows, so that they can be answered at any process:
 *
 *   open ── somebody answers ──► answered ── the process of the call takes it ──► ended
 *     └── nobody does in time, or the call ends ──────────────────────────────────►
 *
 * The row is there before the event that tells of it. An answer is sealed while it waits, and gone when it is taken.
 */
import { Clock, Deferred, Effect, Either, FiberSet, Layer, Option, Schema } from "effect"
import {
  type Elicitation,
  ElicitationAnswer,
  elicitationMillis,
  type ElicitationOutcome,
  type ElicitationQuestion,
  type ElicitationRequest,
  formOf,
  maxOpenOfSession
} from "../../domain/Elicitation.ts"
import { contentOf } from "../../domain/ElicitationForm.ts"
import { Conflict, Invalid, NotFound } from "../../domain/Errors.ts"
import { ElicitationId, type SessionId } from "../../domain/Ids.ts"
import { type AskingCall, Elicitations } from "../../services/Elicitations.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { Peers } from "../../services/Peers.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"

const cancelled: ElicitationAnswer = { action: "cancel", content: null }

const Json = Schema.parseJson(ElicitationAnswer)

/** A question of this process, and where its call waits. */
interface Waiting {
  readonly session: SessionId
  readonly answer: Deferred.Deferred<ElicitationAnswer>
}

const notWaiting = new Conflict({
  code: "elicitation_over",
  detail: "Nobody waits for this answer any more: it was given already, came too late, or its tool has ended."
})

export const make = Effect.gen(function*() {
  const { elicitations } = yield* Storage
  const vault = yield* Vault
  const peers = yield* Peers
  const newId = yield* NewId
  const fork = yield* FiberSet.makeRuntime()
  const waiting = new Map<ElicitationId, Waiting>()

  const sealedFor = ({ id, user_id }: Pick<Elicitation, "id" | "user_id">) => ({
    owner: user_id,
    record: `elicitations/${id}`
  })

  const openOf = (session: SessionId) => [...waiting.values()].filter((one) => one.session === session).length

  const questionOf = (call: AskingCall, request: ElicitationRequest, id: ElicitationId, millis: number) =>
    ({
      elicitation_id: id,
      session_id: call.session,
      tool_call_id: call.tool_call_id,
      tool_name: call.tool_name,
      mode: request.mode,
      message: request.message.toWellFormed().replaceAll("\0", "\ufffd"),
      requested_schema: request.mode === "form" ? { ...request.requestedSchema } : null,
      url: request.mode === "url" ? request.url : null,
      expires_at: timestampOf(millis + elicitationMillis)
    }) satisfies ElicitationQuestion

  /** The row is closed whatever happens, so that nobody answers in vain. */
  const close = (id: ElicitationId) =>
    Effect.flatMap(
      now,
      (at) => elicitations.host.modify(id, (row) => ({ ...row, updated_at: at, status: "ended", sealed: null }))
    ).pipe(
      Effect.ignore
    )

  const ask = Effect.fnUntraced(
    function*(call: AskingCall, request: ElicitationRequest, emit: Parameters<typeof Elicitations.Service.ask>[2]) {
      const millis = yield* Clock.currentTimeMillis
      const id = ElicitationId.make(newId.record(millis))
      const answer = yield* Deferred.make<ElicitationAnswer>()
      // Nothing waits between the count and the entry.
      const hasRoom = yield* Effect.sync(() => {
        if (openOf(call.session) >= maxOpenOfSession) return false
        waiting.set(id, { session: call.session, answer })
        return true
      })
      if (!hasRoom) return cancelled
      const question = questionOf(call, request, id, millis)
      const at = timestampOf(millis)
      const row: Elicitation = {
        id,
        user_id: call.owner,
        created_at: at,
        updated_at: at,
        question,
        process: peers.self,
        status: "open",
        sealed: null
      }
      let isTold = false
      const end = (outcome: ElicitationOutcome) => {
        if (!isTold) return
        emit({
          type: "CUSTOM",
          name: "elicitation_ended",
          value: { elicitation_id: id, tool_call_id: call.tool_call_id, outcome }
        })
      }
      return yield* Effect.gen(function*() {
        const stored = yield* Effect.either(elicitations.insert(row))
        // The session has gone.
        if (Either.isLeft(stored)) return cancelled
        isTold = true
        emit({ type: "CUSTOM", name: "elicitation_requested", value: question })
        const given = yield* Effect.timeoutOption(Deferred.await(answer), elicitationMillis)
        end(given._tag === "Some" ? given.value.action : "timeout")
        return given._tag === "Some" ? given.value : cancelled
      }).pipe(
        Effect.onInterrupt(() => Effect.sync(() => end("interrupted"))),
        Effect.ensuring(Effect.suspend(() => {
          waiting.delete(id)
          return close(id)
        }))
      )
    }
  )

  /** Hands an answer to the call that waits for it here. */
  const take = Effect.fnUntraced(function*(id: ElicitationId) {
    const row = yield* elicitations.host.get(id)
    if (row.status !== "answered" || row.sealed === null) return
    const answer = yield* Effect.orElseSucceed(
      Effect.flatMap(vault.open(row.sealed, sealedFor(row)), Schema.decode(Json)),
      () => cancelled
    )
    const here = waiting.get(id)
    if (here !== undefined) yield* Deferred.succeed(here.answer, answer)
  }, Effect.ignore)

  yield* peers.listen((received) => {
    if (received.type !== "answered" && received.type !== "look") return
    for (const [id, { session }] of waiting) {
      if (received.type === "look" || received.session === session) fork(take(id))
    }
  })

  /** Whether a call waits for it: in time, and in a process that is alive. */
  const waits = Effect.fnUntraced(function*({ process, question, status }: Elicitation) {
    if (status !== "open" || question.expires_at <= (yield* now)) return false
    return process === peers.self ? waiting.has(question.elicitation_id) : (yield* peers.living).has(process)
  })

  return Elicitations.of({
    ask,
    open: (owner, session) =>
      elicitations.list(owner, { limit: 100 }, { session_id: session, status: "open" }).pipe(
        Effect.orDie,
        Effect.flatMap(({ items }) => Effect.filter(items, waits)),
        Effect.map((rows) => rows.map(({ question }) => question))
      ),
    answer: Effect.fn("Elicitations.answer")(function*(owner, session, id, { action, content }) {
      const row = yield* elicitations.get(owner, id)
      if (row.question.session_id !== session) return yield* NotFound.of("Elicitation", id)
      if (!(yield* waits(row))) return yield* notWaiting
      const form = formOf(row.question)
      const checked = action === "accept" && Option.isSome(form)
        ? contentOf(form.value, content ?? {})
        : Either.right(null)
      if (Either.isLeft(checked)) {
        return yield* new Invalid({ detail: "The answer does not fit the form.", errors: checked.left })
      }
      const answer = Schema.encodeSync(Json)({ action, content: checked.right })
      const sealed = yield* vault.seal(answer, sealedFor(row))
      const at = yield* now
      let isFirst = false
      yield* elicitations.modify(owner, id, (row) => {
        isFirst = row.status === "open"
        return isFirst ? { ...row, updated_at: at, status: "answered", sealed } : row
      })
      if (!isFirst) return yield* notWaiting
      if (waiting.has(id)) yield* take(id)
      else peers.notify({ type: "answered", session })
    })
  })
})

export const layer: Layer.Layer<Elicitations, never, Peers | Storage | Vault> = Layer.scoped(Elicitations, make)
