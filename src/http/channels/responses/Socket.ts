/**
 * Responses over a WebSocket: one at a time, the same events as in a stream, each in a message of its own. What is not
 * stored can be gone on from on its own connection, from the last response alone.
 */
import { Cause, Effect, Schema } from "effect"
import { Unavailable } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import type { StoredResponse } from "../../../domain/Response.ts"
import * as JsonMessage from "../../middleware/JsonMessage.ts"
import { internal, isProblem, type Problem } from "../../middleware/Problems.ts"
import { ResponseHeaders } from "../../middleware/ResponseHeaders.ts"
import { closing, type Peer } from "../../Peer.ts"
import { WebSockets } from "../../WebSockets.ts"
import { decode } from "../Decoding.ts"
import { statusOf } from "../openai/Errors.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { Create } from "./Create.ts"
import { errorOf } from "./Errors.ts"
import { filePlaces } from "./FilePlaces.ts"
import type { Out, Watch } from "./output/Watch.ts"
import * as Asked from "./request/Asked.ts"
import { ResponseRequest } from "./request/Requests.ts"

const read = JsonMessage.reader(filePlaces)

const ClientEvent = Schema.Struct({
  type: Schema.String,
  generate: Schema.optional(Schema.NullOr(Schema.Boolean))
})

const cutShort = new Unavailable({
  code: "interrupted",
  detail: "The server ended the answer before its end: it is stopping. Try again.",
  retry_after: 2
})

/** Nested and flat, as in a stream. */
const failed = (problem: Problem): string => {
  const error = errorOf(problem)
  const { code, message, param } = error
  return JSON.stringify({ type: "error", status: statusOf(problem.status), code, message, param, error })
}

const data = "\ndata: "

/** The events of a stream's frames. What is no event ends the stream, which a connection outlives. */
const eventsIn = (frames: string): ReadonlyArray<string> =>
  frames.split("\n\n").flatMap((frame) => {
    const at = frame.startsWith("event: ") ? frame.indexOf(data) : -1
    return at < 0 ? [] : [frame.slice(at + data.length)]
  })

const outOf = (peer: Peer): Out => ({
  write: (frames) => peer.send(eventsIn(frames)),
  unread: () => peer.unread(),
  drained: peer.drained,
  end: () => {}
})

/** The response before, in the words of a message that may be wrong otherwise. */
const previousIn = (message: unknown) => isObject(message) ? message["previous_response_id"] : undefined

export const make = (create: Create, watch: Watch) =>
  Effect.map(WebSockets, (webSockets) => (owner: UserId) =>
    webSockets.respond({
      failed,
      serve: (peer) =>
        Effect.suspend(() => {
          const out = outOf(peer)
          /** The last response of this connection, when it is stored nowhere else. */
          let unstored: StoredResponse | undefined

          const askedIn = Effect.fnUntraced(function*(message: unknown) {
            const { generate, type } = yield* decode(ClientEvent, message)
            if (type !== "response.create") {
              return yield* refuse("unsupported_event", "type", "Expected response.create; nothing else is taken here")
            }
            const request = yield* decode(ResponseRequest, message)
            if (request.background === true) {
              return yield* refuse("unsupported_parameter", "background", "Ask for this by POST, and follow it by GET")
            }
            if (generate === false) {
              return yield* refuse("unsupported_parameter", "generate", "Nothing is prepared here; leave it out")
            }
            return yield* Asked.read({ ...request, stream: true }, undefined)
          })

          const answer = Effect.fnUntraced(function*(message: unknown) {
            const asked = yield* askedIn(message)
            const request = { owner, asked, idempotencyKey: undefined, body: undefined, unstored }
            const { given, problem } = yield* create.run(request, (given) =>
              Effect.map(watch.through(given, out), ({ problem, rendering }) => {
                // A stream that is only cut says nothing; a connection goes on, and has to say why no more comes.
                if (problem !== undefined && given.isKept) peer.send([failed(problem)])
                if (problem?.code === "lagging") {
                  peer.close(closing.refused, "not read")
                }
                return { given, problem: problem ?? rendering.problem }
              }))
            if (problem === undefined) {
              unstored = asked.stores ? undefined : given.record
            } else if (asked.previous === unstored?.id) {
              unstored = undefined
            }
          })

          const turn = (bytes: Uint8Array) => {
            let previous: unknown
            const answered = Effect.flatMap(read(bytes), (message) => {
              previous = previousIn(message)
              return answer(message)
            })
            const told = (cause: Cause.Cause<unknown>) => {
              if (previous === unstored?.id) {
                unstored = undefined
              }
              const error: unknown = Cause.squash(cause)
              const isInterrupted = Cause.isInterruptedOnly(cause)
              const problem = isProblem(error) ? error : isInterrupted ? cutShort : internal
              const tell = Effect.sync(() =>
                peer.send([failed(problem)])
              )
              return problem === internal
                ? Effect.zipRight(Effect.logError("A request on a WebSocket broke", cause), tell)
                : tell
            }
            // Its warnings have no header to go out with, and are not the next one's.
            return Effect.catchAllCause(answered, told).pipe(Effect.provideService(ResponseHeaders, {}))
          }
          return Effect.forever(Effect.flatMap(peer.next, turn))
        })
    }))
