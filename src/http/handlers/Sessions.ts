import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Clock, Effect, Stream } from "effect"
import { Accepted } from "../../domain/Chat.ts"
import { Conflict, Malformed } from "../../domain/Errors.ts"
import { documentOf } from "../../domain/Export.ts"
import type { UserId } from "../../domain/Ids.ts"
import { fallbacksIn } from "../../domain/Model.ts"
import { newSession } from "../../domain/NewSession.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import {
  patchSession,
  type Session,
  type SessionDraft,
  type SessionListItem,
  type SessionPatch,
  type SessionStatus
} from "../../domain/Session.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { Rooms } from "../../services/Rooms.ts"
import { SessionArchive } from "../../services/SessionArchive.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import { SessionCreated } from "../api/Sessions.ts"
import { note } from "../LogNotes.ts"
import { Sse } from "../Sse.ts"
import { disposition } from "./ByteRange.ts"
import { checkedModel } from "./CheckedModel.ts"
import { created } from "./Created.ts"
import * as MySession from "./MySession.ts"
import * as SessionList from "./SessionList.ts"
import * as SessionRemoval from "./SessionRemoval.ts"

const running = new Conflict({
  code: "session_running",
  detail: "Cannot modify session configuration while the session is running."
})

const changesTheRun = (patch: SessionPatch) =>
  patch.chat_model_config !== undefined || patch.fallback_chat_model_config !== undefined ||
  patch.permission_mode != null

const viewOf = (session: Session, status: SessionStatus) => ({
  ...session,
  status,
  is_running: status === "running"
})

const itemOf = (session: Session, status: SessionStatus): SessionListItem => ({
  ...viewOf(session, status),
  session,
  team: null
})

/** Digits that a number holds exactly. */
const cursorShape = /^\d{1,15}$/

export const layer = HttpApiBuilder.group(Api, "sessions", (handlers) =>
  Effect.gen(function*() {
    const { agents, sessions } = yield* Storage
    const hub = yield* SessionHub
    const log = yield* EventLog
    const checked = checkedModel(yield* Models)
    const newId = yield* NewId
    const { once } = yield* Idempotency
    const sse = yield* Sse
    const rooms = yield* Rooms
    const archive = yield* SessionArchive
    const mine = yield* MySession.make
    const listed = yield* SessionList.make

    const checkModels = Effect.fnUntraced(
      function*(owner: UserId, configs: Pick<SessionDraft, "chat_model_config" | "fallback_chat_model_config">) {
        if (configs.chat_model_config != null) yield* checked(owner, configs.chat_model_config, "chat_model_config")
        for (const { config, path } of fallbacksIn("fallback_chat_model_config", configs.fallback_chat_model_config)) {
          yield* checked(owner, config, path)
        }
      }
    )

    /** Whether another session names the same workspace. */
    const remove = yield* SessionRemoval.make

    const view = (session: Session) => Effect.map(hub.status(session), (status) => viewOf(session, status))

    /** The `seq` to go on after; where the present run begins when the client names none. */
    const cursorOf = Effect.fnUntraced(function*(session: Session, given: string | undefined) {
      if (given === undefined) return yield* hub.liveEdge(session)
      if (cursorShape.test(given)) return Number(given)
      const { last } = yield* log.range(session.id)
      return yield* new Malformed({
        code: "invalid_cursor",
        detail: `The cursor must be the id of an event of this session: a whole number from 0 to ${last}.`
      })
    })

    return handlers
      .handle("list", ({ urlParams }) =>
        Effect.map(listed(urlParams), ({ items, ...rest }) => ({
          sessions: items.map(({ session, status }) => itemOf(session, status)),
          ...rest
        })))
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const { user_id } = yield* CurrentPrincipal
          const { session_id } = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /sessions",
              body: payload,
              answer: SessionCreated
            },
            Effect.fnUntraced(function*({ keep }) {
              yield* agents.get(user_id, payload.agent_id)
              yield* checkModels(user_id, payload)
              const millis = yield* Clock.currentTimeMillis
              const session = newSession(payload, user_id, timestampOf(millis), () => newId.record(millis))
              const made = yield* keep(
                Effect.as(Effect.catchTag(sessions.insert(session), "Conflict", Effect.die), { session_id: session.id })
              )
              rooms.created(session.id)
              return made
            })
          )
          return created({ session_id }, `/sessions/${session_id}`)
        })
      )
      .handle("get", ({ path, urlParams }) => Effect.flatMap(mine(path.session_id, urlParams.agent_id), view))
      .handle(
        "update",
        Effect.fnUntraced(function*({ path, payload, urlParams }) {
          const session = yield* mine(path.session_id, urlParams.agent_id)
          if (changesTheRun(payload) && (yield* hub.status(session)) === "running") return yield* running
          yield* checkModels(session.user_id, payload)
          const at = yield* now
          let changesRules = false
          const changed = yield* sessions.modify(session.user_id, session.id, (before) => {
            const after = patchSession(before, payload, at)
            changesRules = after.state.permission_context.mode !== before.state.permission_context.mode
            return after
          })
          if (changesRules) yield* hub.tellState(changed)
          return yield* view(changed)
        })
      )
      .handle(
        "remove",
        Effect.fnUntraced(function*({ path, urlParams }) {
          yield* remove(yield* mine(path.session_id, urlParams.agent_id))
        })
      )
      .handle(
        "export",
        Effect.fnUntraced(function*({ path, urlParams }) {
          const session = yield* mine(path.session_id, urlParams.agent_id)
          const { extension, head, media_type, of, tail } = documentOf(urlParams.format, session, yield* now)
          let isFirst = true
          const messages = Stream.map(archive.transcript(session), (page) =>
            page.map((message) => {
              const text = of(message, isFirst)
              isFirst = false
              return text
            }).join(""))
          return HttpServerResponse.stream(
            Stream.encodeText(Stream.concat(Stream.make(head), Stream.concat(messages, Stream.make(tail)))),
            {
              contentType: media_type,
              headers: { "content-disposition": disposition(`${session.config.name}.${extension}`, false) }
            }
          )
        })
      )
      .handle("status", ({ path, urlParams }) =>
        Effect.map(
          Effect.flatMap(mine(path.session_id, urlParams.agent_id), hub.status),
          (status) => ({ session_id: path.session_id, status })
        ))
      .handle(
        "interrupt",
        Effect.fnUntraced(function*({ path, urlParams }) {
          const session = yield* mine(path.session_id, urlParams.agent_id)
          yield* hub.interrupt(session, urlParams.queue)
          return { session_id: session.id }
        })
      )
      .handle(
        "compact",
        Effect.fnUntraced(function*({ headers, path: { session_id }, urlParams }) {
          const { agent_id, user_id } = yield* mine(session_id, urlParams.agent_id)
          const accepted = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: `POST /sessions/${session_id}/compact`,
              body: null,
              answer: Accepted
            },
            ({ claim }) =>
              hub.send(user_id, { agent_id, session_id, input: null, on_busy: "enqueue", tools: [] }, claim, {
                source: "user",
                source_id: null,
                compact: true
              })
          )
          yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
          return HttpServerResponse.unsafeJson(accepted, {
            status: 202,
            headers: { location: `/runs/${accepted.run_id}` }
          })
        })
      )
      .handle(
        "stream",
        Effect.fnUntraced(function*({ headers, path, urlParams }) {
          const session = yield* mine(path.session_id, urlParams.agent_id)
          // A browser that reconnects asks for the URL that it was given, and says in the header how far it has come.
          const after = yield* cursorOf(session, headers["last-event-id"] || urlParams.after)
          return yield* sse.respond((sink) => hub.attach(session, sink, { after }))
        })
      )
  }))
