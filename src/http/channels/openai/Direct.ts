/**
 * A model that answers by itself: no agent, no session, no run. Its call lives as
 * long as the request, unless the request has an Idempotency-Key: then whoever
 * comes back with that gets the same answer.
 */
import { Cause, Clock, Deferred, Effect, FiberId, Option, Runtime } from "effect"
import type { Credential } from "../../../domain/Credential.ts"
import type { Internal } from "../../../domain/Errors.ts"
import { faultOf, isWebUrl, mediaTypeOf } from "../../../domain/File.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Message } from "../../../domain/Message.ts"
import type { ChatModelConfig, ModelCard } from "../../../domain/Model.ts"
import * as Base64 from "../../../services/Base64.ts"
import { DirectCalls } from "../../../services/DirectCalls.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { type ModelCall, Models } from "../../../services/Models.ts"
import { NewId } from "../../../services/NewId.ts"
import { timestampOf } from "../../../services/Now.ts"
import { asProblem } from "../../handlers/ModelFailures.ts"
import * as Body from "../../middleware/Body.ts"
import { internal } from "../../middleware/Problems.ts"
import { Sse } from "../../Sse.ts"
import { quoted, warn } from "../../Warnings.ts"
import { frameOf } from "./Errors.ts"
import { json } from "./Json.ts"
import { Answered, Completion, type Head, replay, whole } from "./output/Completion.ts"
import { ofParts } from "./output/Encode.ts"
import type { Asked } from "./request/Asked.ts"
import { messageOf, type Turn } from "./request/Messages.ts"
import { refuse } from "./request/Refused.ts"
import * as Stored from "./Stored.ts"

/** How long a failure may still be told by the status of the answer. */
const patience = "10 seconds"

/** Bytes that the client may leave unread before the model is asked to wait. */
const maxUnread = 256 * 1024

const encoder = new TextEncoder()

const end = "data: [DONE]\n\n"

const refuseFile = (path: string, message: string) => refuse("invalid_file", path, message)

const takes = ({ input_types }: ModelCard, type: string) =>
  input_types.some((one) => one === type || (one.endsWith("/*") && type.startsWith(one.slice(0, -1))))

export interface Request {
  readonly owner: UserId
  readonly credential: Credential
  readonly model: string
  readonly asked: Asked
  readonly idempotencyKey: string | undefined
  readonly body: unknown
  readonly path: string
}

export const make = Effect.gen(function*() {
  const { stream } = yield* DirectCalls
  const models = yield* Models
  const { once } = yield* Idempotency
  const sse = yield* Sse
  const newId = yield* NewId
  const stored = yield* Stored.make

  /** Refuses files that the model could not read: a provider's own words for it would be no help. */
  const checkFiles = Effect.fnUntraced(function*(turns: ReadonlyArray<Turn>, card: Option.Option<ModelCard>) {
    for (const turn of turns) {
      if (turn.role !== "user" || typeof turn.content === "string") continue
      for (const [i, block] of turn.content.entries()) {
        if (block.type === "text") continue
        const path = `${turn.at}.content.${i}`
        const type = mediaTypeOf(block.source.media_type)
        if (Option.isSome(card) && !takes(card.value, type)) {
          return yield* refuseFile(path, `The model takes no files of the type ${quoted(type)}`)
        }
        if (block.source.type === "url") {
          if (!isWebUrl(block.source.url)) {
            return yield* refuseFile(path, "Expected an http or https URL, or a data: URL")
          }
          continue
        }
        const bytes = yield* Base64.decodeLong(block.source.data)
        if (bytes === undefined) return yield* refuseFile(path, "Expected base64")
        const fault = faultOf(type, bytes)
        if (fault !== undefined) return yield* refuseFile(path, `The file ${fault}`)
      }
    }
  })

  /** Asks the model for all answers at once. */
  const generate = (calls: ReadonlyArray<ModelCall>, completion: Completion, given: () => Promise<void> | undefined) =>
    Effect.gen(function*() {
      completion.begin(Math.floor((yield* Clock.currentTimeMillis) / 1000))
      yield* Effect.forEach(
        calls,
        (call, i) => {
          const take = ofParts(completion, i)
          return stream(call, (part) => {
            take(part)
            return given()
          })
        },
        { concurrency: calls.length, discard: true }
      )
      return completion.answered()
    }).pipe(Effect.catchTag("ModelFailed", asProblem))

  const callsOf = ({ asked, credential, model, owner }: Request) =>
    Effect.gen(function*() {
      const config: ChatModelConfig = {
        type: credential.type,
        credential_id: credential.id,
        model,
        parameters: asked.parameters
      }
      const idle = yield* models.check(owner, config, "model")
      yield* warn(idle.map((name) => `${quoted(name)} has no effect on this model.`))
      const through = { owner, credential_id: credential.id }
      const card = yield* Effect.option(models.card(credential.type, model, through))
      const at = timestampOf(yield* Clock.currentTimeMillis)
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
      const calls: Array<ModelCall> = []
      for (const { system, turns } of asked.conversations) {
        yield* checkFiles(turns, card)
        const messages = turns.map((turn, i): Message => {
          const message = messageOf(turn, making)
          // The model goes on with an answer whose calls have their results.
          return i === turns.length - 1 && turn.role === "assistant" ? { ...message, finished_at: null } : message
        })
        const call: ModelCall = {
          owner,
          config,
          fallbacks: [],
          system,
          messages,
          tools: asked.tools,
          ...(asked.tool_choice !== undefined && asked.tools.length > 0 && { tool_choice: asked.tool_choice }),
          ...(asked.output !== undefined && { output: asked.output })
        }
        for (let i = 0; i < asked.n; i++) calls.push(call)
      }
      return calls
    })

  /** The answer, made now or before; `completion` has been told of it either way. */
  const answer = (
    { asked: { keeping }, body, idempotencyKey, owner, path }: Request,
    calls: ReadonlyArray<ModelCall>,
    completion: Completion,
    head: Head,
    given: () => Promise<void> | undefined
  ) => {
    let isOurs = false
    return once(
      { owner, key: idempotencyKey, request: path, body, answer: Answered },
      ({ keep }) =>
        Effect.suspend(() => {
          isOurs = true
          return Effect.flatMap(generate(calls, completion, given), (answered) => keep(Effect.succeed(answered)))
        })
    ).pipe(
      Effect.tap((answered) =>
        Effect.sync(() => {
          if (!isOurs) replay(completion, answered)
        })
      ),
      Effect.tap((answered) => keeping === undefined ? Effect.void : stored.keep(owner, keeping, whole(head, answered)))
    )
  }

  const streamed = (request: Request, calls: ReadonlyArray<ModelCall>, completion: Completion, head: Head) =>
    sse.respond((out) =>
      Effect.gen(function*() {
        const asking = answer(request, calls, completion, head, () => given())
        const begun = Deferred.unsafeMake<void, Effect.Effect.Error<typeof asking> | Internal>(FiberId.none)
        let isOpen = false
        const wait = Runtime.runPromise(yield* Effect.runtime())
        const write = (text: string) => {
          if (text === "") return
          isOpen = true
          out.write(encoder.encode(text))
          Deferred.unsafeDone(begun, Effect.void)
        }
        const given = () => {
          write(completion.take())
          return out.unread() > maxUnread ? wait(Effect.ignore(out.drained)).catch(() => {}) : undefined
        }
        const finished = (text: string) =>
          Effect.sync(() => {
            write(text + end)
            out.end()
          })
        const failed = (problem: Effect.Effect.Error<typeof asking> | Internal) =>
          isOpen
            ? finished(completion.take() + frameOf(problem))
            : Effect.sync(() => Deferred.unsafeDone(begun, Effect.fail(problem)))
        const working = Effect.matchCauseEffect(asking, {
          onSuccess: () => finished(completion.take()),
          onFailure: (cause) => {
            if (Cause.isInterruptedOnly(cause)) return Effect.failCause(cause)
            const failure = Option.getOrUndefined(Cause.failureOption(cause))
            if (failure !== undefined) return failed(failure)
            return Effect.zipRight(Effect.logError("A call of a model broke", cause), failed(internal))
          }
        })
        yield* Effect.forkScoped(working)
        const first = yield* Effect.timeoutOption(Deferred.await(begun), patience)
        if (Option.isNone(first)) isOpen = true
      })
    )

  return Effect.fnUntraced(function*(request: Request) {
    const { asked } = request
    if (asked.keeping !== undefined) yield* stored.roomFor(request.owner)
    const calls = yield* Effect.ensuring(callsOf(request), Body.release)
    const head: Head = {
      id: `${asked.kind === "chat" ? "chatcmpl" : "cmpl"}-${newId.record(yield* Clock.currentTimeMillis)}`,
      model: asked.model ?? "",
      kind: asked.kind,
      choices: calls.length,
      streams: asked.streams,
      tellsUsage: asked.tellsUsage
    }
    const completion = new Completion(head)
    if (asked.streams) return yield* streamed(request, calls, completion, head)
    const answered = yield* sse.whileValid(answer(request, calls, completion, head, () => undefined))
    return json(whole(head, answered))
  })
})
