/** A sink that remembers, and the records that a conversation needs. */
import { Deferred, Effect, Schema } from "effect"
import { AgentDraft } from "../../src/domain/Agent.ts"
import type { AnswerInput, ChatRequest, OnBusy } from "../../src/domain/Chat.ts"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { AgentId, CredentialId, SessionId, UserId, WorkspaceId } from "../../src/domain/Ids.ts"
import { permissionContext, type PermissionMode } from "../../src/domain/Permission.ts"
import type { Session } from "../../src/domain/Session.ts"
import { messagesOf } from "../../src/domain/Transcript.ts"
import { NewId } from "../../src/services/NewId.ts"
import { now } from "../../src/services/Now.ts"
import type { Sink, Subscription } from "../../src/services/Rooms.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { checkFrames, checkMessages } from "./agentservice/Checked.ts"

export interface Seen extends Sink {
  readonly frames: () => string
  readonly events: () => ReadonlyArray<{ readonly seq: number; readonly event: AgentEvent }>
  readonly ended: Deferred.Deferred<string | undefined>
}

/** `stalled` reads nothing: all it is given stays unread. */
export const watcher = (options?: { readonly stalled?: boolean }): Seen => {
  const decoder = new TextDecoder()
  const ended = Effect.runSync(Deferred.make<string | undefined>())
  let frames = ""
  let unread = 0
  return {
    write: (bytes) => {
      if (options?.stalled === true) unread += bytes.length
      const text = decoder.decode(bytes, { stream: true })
      checkFrames(text)
      frames += text
    },
    unread: () => unread,
    drained: Effect.void,
    end: (comment) => {
      checkMessages(messagesOf(eventsOf(frames).map(({ event }) => event)))
      Deferred.unsafeDone(ended, Effect.succeed(comment))
    },
    frames: () => frames,
    events: () => eventsOf(frames),
    ended
  }
}

let next = 0

/** An agent and a session of an owner of their own, talking to the demo model. */
export const conversation = Effect.fnUntraced(function*(
  model: string = "demo-script",
  options: {
    readonly parameters?: Record<string, unknown>
    readonly max_iters?: number
    readonly mode?: PermissionMode
  } = {}
) {
  const storage = yield* Storage
  const newId = yield* NewId
  const at = yield* now
  const id = () => newId.record(next++)
  const user_id = `owner-${next++}-${id().slice(-6)}` as UserId
  const agent_id = id() as AgentId
  const credential_id = id() as CredentialId
  const draft = yield* Schema.decode(AgentDraft)({
    name: "Friday",
    react_config: { max_iters: options.max_iters ?? 20 }
  })
  yield* storage.agents.insert({
    id: agent_id,
    user_id,
    created_at: at,
    updated_at: at,
    data: { id: agent_id, ...draft }
  })
  yield* storage.credentials.insert({
    id: credential_id,
    user_id,
    created_at: at,
    updated_at: at,
    type: "demo_credential",
    name: "Demo",
    settings: {},
    secrets: [],
    sealed: null
  })
  const session_id = id() as SessionId
  const session: Session = {
    id: session_id,
    user_id,
    agent_id,
    created_at: at,
    updated_at: at,
    source: "user",
    source_schedule_id: null,
    config: {
      workspace_id: id() as WorkspaceId,
      name: "talk",
      chat_model_config: { type: "demo_credential", credential_id, model, parameters: options.parameters ?? {} },
      fallback_chat_model_config: null,
      tts_model_config: null,
      knowledge_config: null,
      cwd: null
    },
    state: { session_id, permission_context: permissionContext(options.mode ?? "default") }
  }
  yield* storage.sessions.insert(session)
  return session
})

/** Sends a text. */
export const say = (session: Session, text: string, on_busy: OnBusy = "enqueue", tools: ChatRequest["tools"] = []) =>
  Effect.flatMap(SessionHub, (hub) =>
    hub.send(session.user_id, {
      agent_id: session.agent_id,
      session_id: session.id,
      input: { name: "user", role: "user", content: text, metadata: {} },
      on_busy,
      tools
    }))

/** Answers what a parked run asks. */
export const answer = (session: Session, input: AnswerInput) =>
  Effect.flatMap(
    SessionHub,
    (hub) =>
      hub.send(session.user_id, {
        agent_id: session.agent_id,
        session_id: session.id,
        input,
        on_busy: "enqueue",
        tools: []
      })
  )

/** Attaches a watcher; it stays until the scope closes. */
export const watch = Effect.fnUntraced(
  function*(session: Session, subscription: Subscription, options?: { readonly stalled?: boolean }) {
    const hub = yield* SessionHub
    const seen = watcher(options)
    yield* hub.attach(session, seen, subscription)
    return seen
  }
)

/** Sends a text and waits for the whole stream of its run. */
export const converse = Effect.fnUntraced(function*(session: Session, text: string) {
  const accepted = yield* say(session, text)
  const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
  yield* Deferred.await(seen.ended)
  return {
    accepted,
    events: seen.events().map(({ event }) => event),
    frames: seen.frames(),
    seqs: seen.events().map(({ seq }) => seq)
  }
}, Effect.scoped)
