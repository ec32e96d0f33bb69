/**
 * A client of a server for programs that do not write Effect: promises, and async
 * iterables of events. It needs nothing but `fetch`, so it runs in browsers too.
 */
import { Effect, Schema } from "effect"
import { type AgentDraft, AgentView } from "../../domain/Agent.ts"
import type { ChatRequest, ConfirmInput, ExternalInput } from "../../domain/Chat.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { Message } from "../../domain/Message.ts"
import { Run } from "../../domain/Run.ts"
import { type SessionDraft, SessionListItem, SessionView } from "../../domain/Session.ts"
import type { Api } from "./Promised.ts"
import * as Promised from "./Promised.ts"
import { type Calling, promised, pulled } from "./Pull.ts"
import { belongsTo, collecting, ended, endsRun, isOver, type Reply, type RunRef, type Seen } from "./Run.ts"
import { send } from "./Sending.ts"
import { StoaError } from "./StoaError.ts"
import * as Wire from "./Wire.ts"

export type { Calling, Reply, RunRef, Seen }
/** @public What `make` takes. */
export type { ClientOptions } from "./Wire.ts"
export { StoaError }

type Input = typeof ChatRequest.Encoded

/** An input to a session, or to a new one of an agent. */
export interface Ask extends Omit<Input, "agent_id" | "session_id" | "input"> {
  /** Without `session_id` a session of this agent is made, which needs an agent with a model of its own. */
  readonly agent_id?: string | undefined
  readonly session_id?: string | undefined
  /** A text stands for a message of the user. */
  readonly input: string | Input["input"]
  /** 1 to 255 characters, without a `session_id` up to 247: the same key with the same input gives the same run, for a day. */
  readonly idempotency_key?: string | undefined
}

/** For the calls of a reply that waits: whether they may run, each or all of them; or what the client's own tools said. */
export type Answer =
  | { readonly approve: boolean | Readonly<Record<string, boolean>> }
  | { readonly results: Readonly<Record<string, ExternalResult>> }

type ExternalResult = string | Omit<(typeof ExternalInput.Encoded)["execution_results"][number], "id">

export interface Listing extends Calling {
  /** 1 to 1000. */
  readonly limit?: number
  /** The `next_cursor` of the page before. */
  readonly cursor?: string
}

/** On the last page there is no cursor. */
const next_cursor = Schema.NullOr(Schema.String)
const Agents = Schema.Struct({ agents: Schema.Array(AgentView), next_cursor })
const Sessions = Schema.Struct({ sessions: Schema.Array(SessionListItem), next_cursor })
const Runs = Schema.Struct({ runs: Schema.Array(Run), next_cursor })
const Transcript = Schema.Struct({ messages: Schema.Array(Message), next_cursor })
const AgentCreated = Schema.Struct({ agent_id: Schema.String })
const SessionCreated = Schema.Struct({ session_id: Schema.String })
const CredentialCreated = Schema.Struct({ credential_id: Schema.String })
const OfSession = Schema.Struct({ agent_id: Schema.String })

const at = (...path: ReadonlyArray<string>) => `/${path.map(encodeURIComponent).join("/")}`

const inputOf = (input: Ask["input"]): Input["input"] => typeof input === "string" ? { content: input } : input

/** Newest messages among which the reply of a run that has just stopped is. */
const newest = 20

const nowhere = Effect.suspend(() =>
  Effect.fail(new StoaError("unexpected_answer", "The run has ended, and its reply is nowhere."))
)

const wantsPermission = ({ waiting_for }: Reply) => waiting_for === "user_confirmation"

const answerOf = (reply: Reply, answer: Answer): typeof ConfirmInput.Encoded | typeof ExternalInput.Encoded => {
  const reply_id = reply.message.id
  const isConfirming = "approve" in answer
  if (reply.status !== "waiting" || wantsPermission(reply) !== isConfirming) {
    throw new StoaError(
      "misused",
      reply.status !== "waiting"
        ? "The reply waits for no answer."
        : `The reply waits for ${isConfirming ? "results, not for a permission" : "a permission, not for results"}.`
    )
  }
  if (isConfirming) {
    const { approve } = answer
    return {
      type: "USER_CONFIRM_RESULT",
      reply_id,
      confirm_results: reply.calls.map(({ id }) => ({
        confirmed: typeof approve === "boolean" ? approve : approve[id] ?? false,
        tool_call: { id }
      }))
    }
  }
  return {
    type: "EXTERNAL_EXECUTION_RESULT",
    reply_id,
    execution_results: Object.entries(answer.results).map(([id, result]) =>
      typeof result === "string" ? { id, output: result, state: "success" } : { id, ...result }
    )
  }
}

export const make = (options: Wire.ClientOptions) => {
  const wire = Wire.make(options)
  const { asked, followed, withFetch } = wire

  const placed = (
    { agent_id, idempotency_key, session_id }: Pick<Ask, "agent_id" | "idempotency_key" | "session_id">
  ) =>
    Effect.gen(function*() {
      if (agent_id !== undefined && session_id !== undefined) return { agent_id, session_id }
      if (session_id !== undefined) {
        const session = yield* asked(OfSession, "GET", at("sessions", session_id))
        return { agent_id: session.agent_id, session_id }
      }
      if (agent_id === undefined) {
        return yield* Effect.fail(
          new StoaError("misused", "An input needs a session_id, or an agent_id for a new session.")
        )
      }
      // A session has a model of its own, which is the agent's in the beginning.
      const { data: { chat_model_config } } = yield* asked(AgentView, "GET", at("agent", agent_id))
      // The same input again is one for the same session: in another one it would be another input.
      const key = idempotency_key && `session:${idempotency_key}`
      const made = yield* asked(SessionCreated, "POST", "/sessions", { body: { agent_id, chat_model_config }, key })
      return { agent_id, session_id: made.session_id }
    })

  const sent = ({ agent_id, idempotency_key, input, session_id, ...more }: Ask) =>
    Effect.gen(function*() {
      const place = yield* placed({ agent_id, idempotency_key, session_id })
      const key = idempotency_key ?? globalThis.crypto.randomUUID()
      const accepted = yield* withFetch(
        send(wire.connection, { ...more, ...place, input: inputOf(input) }, { key, onLost: Effect.void })
      )
      return { ...accepted, agent_id: place.agent_id } satisfies RunRef
    })

  const runOf = ({ run_id }: RunRef) => asked(Run, "GET", at("runs", run_id))

  /** The events of a run after `after`, up to the one with which it ends or waits. */
  const eventsOf = (
    { run_id, seq, session_id }: RunRef,
    after: number,
    emit: (seen: Seen) => Effect.Effect<void>,
    first: number | null = null
  ) =>
    Effect.suspend(() => {
      // Most events do not say whose they are: who goes on in the middle has to know that the run had begun there.
      const isOurs = after > seq && first !== null && first <= after ? () => true : belongsTo(run_id)
      return followed(
        session_id,
        after,
        (seen) => isOurs(seen) ? Effect.as(emit(seen), endsRun(seen, run_id)) : Effect.succeed(false)
      )
    })

  /** The same for a run that may have ended before: nothing of it would come then, and what comes is of others. */
  const rest = (run: RunRef, after: number, emit: (seen: Seen) => Effect.Effect<void>) =>
    Effect.flatMap(
      runOf(run),
      (known) => isOver(known, after) ? Effect.void : eventsOf(run, after, emit, known.first_seq)
    )

  const transcript = (session_id: string, query: Wire.Query = {}) =>
    asked(Transcript, "GET", at("sessions", session_id, "messages"), { query })

  const replied = (run: RunRef) =>
    Effect.gen(function*() {
      const collected = collecting(run)
      let reply_id: string | undefined
      yield* eventsOf(run, run.seq, (seen) =>
        Effect.sync(() => {
          collected.add(seen.seq, seen)
          if (endsRun(seen, run.run_id)) reply_id = seen.type === "CUSTOM" ? seen.value.reply_id : seen.reply_id
        }))
      // A run that went on began before what was read.
      const reply = collected.reply() ??
        collected.reply(
          (yield* transcript(run.session_id, { limit: newest })).messages.find(({ id }) => id === reply_id)
        )
      const error = collected.error()
      if (error !== null) return yield* Effect.fail(new StoaError(error.code, error.message, { reply }))
      return reply ?? (yield* nowhere)
    })

  /** The same for a run that may have ended before `seq`, such as that of a reply. */
  const repliedBefore = (run: RunRef) =>
    Effect.gen(function*() {
      const known = yield* runOf(run)
      if (!isOver(known, run.seq)) return yield* replied(run)
      const { messages } = yield* transcript(run.session_id, { limit: newest })
      const message = messages.find(({ id }) => id === known.reply_id)
      const reply = message && ended(run, known, message)
      if (known.error !== null) {
        return yield* Effect.fail(new StoaError(known.error.code, known.error.message, { reply }))
      }
      return reply ?? (yield* nowhere)
    })

  const page = ({ cursor, limit }: Listing): Wire.Query => ({ cursor, limit })

  return {
    /** Sends an input, and waits for the whole reply: its end, or the question that it waits with. Rejects when the run fails. */
    invoke: (ask: Ask, calling?: Calling): Promise<Reply> => promised(Effect.flatMap(sent(ask), replied), calling),

    /** Sends an input, and gives the events of its run. Leaving the loop leaves the run to itself. */
    chat: (ask: Ask, calling?: Calling): AsyncIterable<Seen> =>
      pulled<Seen, Error>((emit) => Effect.flatMap(sent(ask), (run) => eventsOf(run, run.seq, emit)), calling),

    /** Sends an input, and resolves as soon as it is durable: its run goes on by itself. */
    send: (ask: Ask, calling?: Calling): Promise<RunRef> => promised(sent(ask), calling),

    /** The events of a run, up to the one with which it ends or waits; after `after`, or from its beginning on. */
    stream: (run: RunRef, { after = run.seq, ...calling }: Calling & { readonly after?: number } = {}) =>
      pulled<Seen, Error>((emit) => rest(run, after, emit), calling),

    /** The events of a session across its runs, without end: after `after`, or from the beginning of the run that goes on. */
    attach: (session_id: string, { after, ...calling }: Calling & { readonly after?: number } = {}) =>
      pulled<Seen, Error>(
        (emit) => followed(session_id, after, (seen) => Effect.as(emit(seen), false)),
        calling
      ),

    /** Waits for the reply of a run, as `invoke` does. */
    reply: (run: RunRef, calling?: Calling): Promise<Reply> => promised(repliedBefore(run), calling),

    /** Answers what a reply waits for; its run goes on, and `reply` or `stream` follow it. */
    answer: async (reply: Reply, answer: Answer, calling?: Calling): Promise<RunRef> => {
      const { agent_id, session_id } = reply.run
      return promised(sent({ agent_id, session_id, input: answerOf(reply, answer) }), calling)
    },

    /** Stops a run, also one that waits; one that has ended stays as it is. */
    stop: (run_id: string, calling?: Calling): Promise<void> =>
      promised(Effect.asVoid(asked(Schema.Unknown, "POST", at("runs", run_id, "cancel"))), calling),

    agents: {
      /** It needs no more than a name. */
      create: (draft: typeof AgentDraft.Encoded, calling?: Calling) =>
        promised(asked(AgentCreated, "POST", "/agent", { body: draft }), calling),
      get: (agent_id: string, calling?: Calling) => promised(asked(AgentView, "GET", at("agent", agent_id)), calling),
      list: (listing: Listing = {}) => promised(asked(Agents, "GET", "/agent", { query: page(listing) }), listing),
      remove: (agent_id: string, calling?: Calling): Promise<void> =>
        promised(Effect.asVoid(asked(Schema.Unknown, "DELETE", at("agent", agent_id))), calling)
    },

    credentials: {
      /** `{ type: "openai_credential", api_key: … }` */
      create: (data: typeof JsonObject.Encoded, calling?: Calling) =>
        promised(asked(CredentialCreated, "POST", "/credential", { body: { data } }), calling)
    },

    sessions: {
      create: (draft: typeof SessionDraft.Encoded, calling?: Calling) =>
        promised(asked(SessionCreated, "POST", "/sessions", { body: draft }), calling),
      get: (session_id: string, calling?: Calling) =>
        promised(asked(SessionView, "GET", at("sessions", session_id)), calling),
      /** Newest first. */
      list: ({ agent_id, q, ...listing }: Listing & { readonly agent_id?: string; readonly q?: string } = {}) =>
        promised(asked(Sessions, "GET", "/sessions", { query: { ...page(listing), agent_id, q } }), listing),
      remove: (session_id: string, calling?: Calling): Promise<void> =>
        promised(Effect.asVoid(asked(Schema.Unknown, "DELETE", at("sessions", session_id))), calling),
      /** The newest messages, oldest first; `cursor` goes back. */
      messages: (session_id: string, listing: Listing = {}) => promised(transcript(session_id, page(listing)), listing),
      /** Stops what runs in the session. */
      interrupt: (session_id: string, calling?: Calling): Promise<void> =>
        promised(Effect.asVoid(asked(Schema.Unknown, "POST", at("sessions", session_id, "interrupt"))), calling)
    },

    runs: {
      get: (run_id: string, calling?: Calling) => promised(asked(Run, "GET", at("runs", run_id)), calling),
      /** Newest first. */
      list: ({ session_id, ...listing }: Listing & { readonly session_id?: string } = {}) =>
        promised(asked(Runs, "GET", "/runs", { query: { ...page(listing), session_id } }), listing)
    },

    /** The whole native API, each operation a function of `{ path, urlParams, headers, payload }`. */
    get api(): Api {
      return Promised.apiOf(wire)
    }
  }
}

export interface Client extends ReturnType<typeof make> {}
