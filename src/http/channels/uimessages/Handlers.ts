import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Option } from "effect"
import { Malformed, NotFound } from "../../../domain/Errors.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import type { Run, RunStatus } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import { ResponseHeaders } from "../../middleware/ResponseHeaders.ts"
import type { Options, Policy } from "../Channel.ts"
import * as Follow from "../Follow.ts"
import { keyOf } from "../Keys.ts"
import type { api } from "./Api.ts"
import * as Chats from "./Chats.ts"
import { Chunks, type Head } from "./Chunks.ts"
import * as Replaying from "./Replaying.ts"

/** Leaving is how a client loses its stream, and it may come back for it; a person who wants a reply to end says so. */
export const policy: Policy = { leaving: "goes on", approval: "shown", end: "data: [DONE]\n\n" }

/** By this header clients know the protocol, and its version. */
const protocol = { name: "x-vercel-ai-ui-message-stream", version: "v1" }

const one = { limit: 1, cursor: undefined }

/** What a client can follow: the run that has begun, or else the next one. */
const followable: ReadonlyArray<readonly [status: RunStatus, order: "newest" | "oldest"]> = [
  ["running", "newest"],
  ["awaiting_permission", "newest"],
  ["awaiting_external_result", "newest"],
  ["queued", "oldest"]
]

const noChat = (id: string) => NotFound.of("Chat", id.slice(0, 256))

export const layer = (mounted: typeof api, options: Options) =>
  HttpApiBuilder.group(mounted, "chats", (handlers) =>
    Effect.gen(function*() {
      const hub = yield* SessionHub
      const keys = yield* SessionKeys
      const { agents, runs, sessions } = yield* Storage
      const chats = yield* Chats.make(options)
      const follow = yield* Follow.make
      const replaying = yield* Replaying.make

      const asking = Effect.fnUntraced(function*(id: string, headers: Parameters<typeof keyOf>[1]) {
        const { user_id: owner } = yield* CurrentPrincipal
        const key = yield* keyOf(id, headers, options.trusted)
        return key === undefined ? yield* new Malformed({ detail: "The chat has no id." }) : { owner, key }
      })

      const headOf = (session: Session, run: Run) =>
        Effect.map(Effect.option(agents.get(session.user_id, session.agent_id)), (agent): Head => ({
          session_id: session.id,
          run_id: run.id,
          clientTools: new Set(
            [...Option.match(agent, { onNone: () => [], onSome: ({ data }) => data.client_tools }), ...run.tools]
              .map(({ name }) => name)
          )
        }))

      const openRun = Effect.fnUntraced(function*({ id, user_id }: Session) {
        for (const [status, order] of followable) {
          const { items: [run] } = yield* Effect.orDie(runs.list(user_id, one, { session_id: id, status }, order))
          if (run !== undefined) return run
        }
        return undefined
      })

      const speak = Effect.map(ResponseHeaders, (headers) => {
        headers[protocol.name] = protocol.version
      })

      const found = Effect.fnUntraced(function*(id: string, headers: Parameters<typeof keyOf>[1]) {
        const session = yield* keys.find(chats.keyOf(yield* asking(id, headers)))
        if (session === undefined) return yield* noChat(id)
        yield* note({ session_id: session.id })
        return session
      })

      return handlers
        .handle(
          "send",
          Effect.fnUntraced(function*({ headers, payload }) {
            const { key, owner } = yield* asking(payload.id, headers)
            const request = { owner, key, payload, idempotencyKey: headers["idempotency-key"] }
            const accepted = yield* Effect.ensuring(chats.accept(request), Body.release)
            yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
            const session = yield* sessions.get(owner, accepted.session_id)
            const run = yield* runs.get(owner, accepted.run_id)
            const encoder = new Chunks(yield* headOf(session, run))
            yield* speak
            return yield* follow.stream({ session, accepted, encoder, policy, isKept: true })
          })
        )
        .handle(
          "resume",
          Effect.fnUntraced(function*({ headers, path }) {
            const session = yield* found(path.chat_id, headers)
            const run = yield* openRun(session)
            yield* speak
            if (run === undefined) return HttpServerResponse.empty({ status: 204 })
            const head = yield* headOf(session, run)
            const after = run.first_seq === null ? yield* hub.liveEdge(session) : run.first_seq - 1
            return yield* replaying.stream({ session, run, head, policy }, after)
          })
        )
        .handle(
          "stop",
          Effect.fnUntraced(function*({ headers, path }) {
            yield* hub.interrupt(yield* found(path.chat_id, headers), "drop")
          })
        )
    }))
