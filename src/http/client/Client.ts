/**
 * A client of a server for programs that do not write Effect: promises, and async
 * iterables of events. It needs nothing but `fetch`, so it runs in browsers too.
 */
import type { AgentDraft, AgentView } from "../../domain/Agent.ts"
import type { ChatRequest } from "../../domain/Chat.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { Message } from "../../domain/Message.ts"
import type { Run, RunStatus } from "../../domain/Run.ts"
import type { SessionDraft, SessionListItem, SessionView } from "../../domain/Session.ts"
import { type Answer, answerOf } from "./Answer.ts"
import { follow, type Seen } from "./Follow.ts"
import * as Requests from "./Requests.ts"
import type { Calling, Query } from "./Requests.ts"
import { belongsTo, collecting, ended, endsRun, isOver, type Reply, type RunRef } from "./Run.ts"
import { newKey, send } from "./Sending.ts"
import { StoaError } from "./StoaError.ts"

/** @public The text of a message's content, without thoughts, calls and results. */
export { textOf } from "../../domain/MessageText.ts"
export type { Answer, Calling, Reply, RunRef, Seen }
/** @public What `make` takes. */
export type { ClientOptions } from "./Requests.ts"
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

export interface Listing extends Calling {
  /** 1 to 1000. */
  readonly limit?: number
  /** The `next_cursor` of the page before. */
  readonly cursor?: string
}

/** All that is given narrows the list; `q` is a text in the name or in what was said. */
export interface SessionListing extends Listing {
  readonly agent_id?: string | undefined
  readonly q?: string | undefined
}

/** All that is given narrows the list. */
export interface RunListing extends Listing {
  readonly agent_id?: string | undefined
  readonly session_id?: string | undefined
  readonly status?: RunStatus | undefined
}

/** On the last page there is no cursor. */
type Paged<A> = A & { readonly next_cursor: string | null }

const at = (...path: ReadonlyArray<string>) => `/${path.map(encodeURIComponent).join("/")}`

const inputOf = (input: Ask["input"]): Input["input"] => typeof input === "string" ? { content: input } : input

/** Newest messages among which the reply of a run that has just stopped is. */
const newest = 20

const nowhere = () => new StoaError("unexpected_answer", "The run has ended, and its reply is nowhere.")

export const make = (options: Requests.ClientOptions) => {
  const requests = Requests.make(options)
  const { asked } = requests

  const placed = async (
    { agent_id, idempotency_key, session_id }: Pick<Ask, "agent_id" | "idempotency_key" | "session_id">,
    { signal }: Calling
  ): Promise<{ readonly agent_id: string; readonly session_id: string }> => {
    if (agent_id !== undefined && session_id !== undefined) return { agent_id, session_id }
    if (session_id !== undefined) {
      const session = await asked<SessionView>("GET", at("sessions", session_id), { signal })
      return { agent_id: session.agent_id, session_id }
    }
    if (agent_id === undefined) {
      throw new StoaError("misused", "An input needs a session_id, or an agent_id for a new session.")
    }
    // A session has a model of its own, which is the agent's in the beginning.
    const { data: { chat_model_config } } = await asked<AgentView>("GET", at("agent", agent_id), { signal })
    const made = await asked<{ readonly session_id: string }>("POST", "/sessions", {
      body: { agent_id, chat_model_config },
      // The same input again is one for the same session: in another one it would be another input.
      headers: { "idempotency-key": idempotency_key && `session:${idempotency_key}` },
      signal
    })
    return { agent_id, session_id: made.session_id }
  }

  const sent = async ({ agent_id, idempotency_key, input, session_id, ...more }: Ask, calling: Calling = {}) => {
    const place = await placed({ agent_id, idempotency_key, session_id }, calling)
    const accepted = await send(requests, { ...more, ...place, input: inputOf(input) }, {
      ...calling,
      key: idempotency_key ?? newKey()
    })
    return { ...accepted, agent_id: place.agent_id } satisfies RunRef
  }

  const runOf = ({ run_id }: RunRef, { signal }: Calling = {}) => asked<Run>("GET", at("runs", run_id), { signal })

  /** The events of a run after `after`, up to the one with which it ends or waits. */
  async function* eventsOf(
    { run_id, seq, session_id }: RunRef,
    after: number,
    { signal }: Calling = {},
    first: number | null = null
  ): AsyncGenerator<Seen, void, undefined> {
    // Most events do not say whose they are: who goes on in the middle has to know that the run had begun there.
    const isOurs = after > seq && first !== null && first <= after ? () => true : belongsTo(run_id)
    for await (const seen of follow(requests, { session: session_id, after, isExpected: true, signal })) {
      if (!isOurs(seen)) continue
      yield seen
      if (endsRun(seen, run_id)) return
    }
  }

  /** The same for a run that may have ended before: nothing of it would come then, and what comes is of others. */
  async function* rest(run: RunRef, after: number, calling: Calling): AsyncGenerator<Seen, void, undefined> {
    const known = await runOf(run, calling)
    if (!isOver(known, after)) yield* eventsOf(run, after, calling, known.first_seq)
  }

  async function* chatted(ask: Ask, calling?: Calling): AsyncGenerator<Seen, void, undefined> {
    const run = await sent(ask, calling)
    yield* eventsOf(run, run.seq, calling)
  }

  const transcript = (session_id: string, query: Query, { signal }: Calling = {}) =>
    asked<Paged<{ readonly messages: ReadonlyArray<Message> }>>("GET", at("sessions", session_id, "messages"), {
      query,
      signal
    })

  const replied = async (run: RunRef, calling?: Calling): Promise<Reply> => {
    const collected = collecting(run)
    let reply_id: string | undefined
    for await (const seen of eventsOf(run, run.seq, calling)) {
      collected.add(seen.seq, seen)
      if (endsRun(seen, run.run_id)) reply_id = seen.type === "CUSTOM" ? seen.value.reply_id : seen.reply_id
    }
    // A run that went on began before what was read.
    const reply = collected.reply() ??
      collected.reply(
        (await transcript(run.session_id, { limit: newest }, calling)).messages.find(({ id }) => id === reply_id)
      )
    const error = collected.error()
    if (error !== null) throw new StoaError(error.code, error.message, { reply })
    if (reply === undefined) throw nowhere()
    return reply
  }

  /** The same for a run that may have ended before `seq`, such as that of a reply. */
  const repliedBefore = async (run: RunRef, calling?: Calling): Promise<Reply> => {
    const known = await runOf(run, calling)
    if (!isOver(known, run.seq)) return replied(run, calling)
    const { messages } = await transcript(run.session_id, { limit: newest }, calling)
    const message = messages.find(({ id }) => id === known.reply_id)
    const reply = message && ended(run, known, message)
    if (known.error !== null) throw new StoaError(known.error.code, known.error.message, { reply })
    if (reply === undefined) throw nowhere()
    return reply
  }

  const page = ({ cursor, limit }: Listing): Query => ({ cursor, limit })

  return {
    /** Sends an input, and waits for the whole reply: its end, or the question that it waits with. Rejects when the run fails. */
    invoke: async (ask: Ask, calling?: Calling): Promise<Reply> => replied(await sent(ask, calling), calling),

    /** Sends an input, and gives the events of its run. Leaving the loop leaves the run to itself. */
    chat: (ask: Ask, calling?: Calling): AsyncIterable<Seen> => chatted(ask, calling),

    /** Sends an input, and resolves as soon as it is durable: its run goes on by itself. */
    send: (ask: Ask, calling?: Calling): Promise<RunRef> => sent(ask, calling),

    /** The events of a run, up to the one with which it ends or waits; after `after`, or from its beginning on. */
    stream: (run: RunRef, { after = run.seq, ...calling }: Calling & { readonly after?: number } = {}) =>
      rest(run, after, calling) satisfies AsyncIterable<Seen>,

    /** The events of a session across its runs, without end: after `after`, or from the beginning of the run that goes on. */
    attach: (
      session_id: string,
      { after, signal }: Calling & { readonly after?: number } = {}
    ): AsyncIterable<Seen> => follow(requests, { session: session_id, after, isExpected: true, signal }),

    /** Waits for the reply of a run, as `invoke` does. */
    reply: (run: RunRef, calling?: Calling): Promise<Reply> => repliedBefore(run, calling),

    /** Answers what a reply waits for; its run goes on, and `reply` or `stream` follow it. */
    answer: async (reply: Reply, answer: Answer, calling?: Calling): Promise<RunRef> => {
      const { agent_id, session_id } = reply.run
      return sent({ agent_id, session_id, input: answerOf(reply, answer) }, calling)
    },

    /** Stops a run, also one that waits; one that has ended stays as it is. */
    stop: async (run_id: string, calling?: Calling): Promise<void> => {
      await asked("POST", at("runs", run_id, "cancel"), { ...calling })
    },

    agents: {
      /** It needs no more than a name. */
      create: (draft: typeof AgentDraft.Encoded, calling?: Calling) =>
        asked<{ readonly agent_id: string }>("POST", "/agent", { ...calling, body: draft }),
      get: (agent_id: string, calling?: Calling) => asked<AgentView>("GET", at("agent", agent_id), { ...calling }),
      list: ({ signal, ...listing }: Listing = {}) =>
        asked<Paged<{ readonly agents: ReadonlyArray<AgentView> }>>("GET", "/agent", { query: page(listing), signal }),
      remove: async (agent_id: string, calling?: Calling): Promise<void> => {
        await asked("DELETE", at("agent", agent_id), { ...calling })
      }
    },

    credentials: {
      /** `{ type: "openai_credential", api_key: … }` */
      create: (data: typeof JsonObject.Encoded, calling?: Calling) =>
        asked<{ readonly credential_id: string }>("POST", "/credential", { ...calling, body: { data } })
    },

    sessions: {
      create: (draft: typeof SessionDraft.Encoded, calling?: Calling) =>
        asked<{ readonly session_id: string }>("POST", "/sessions", { ...calling, body: draft }),
      get: (session_id: string, calling?: Calling) =>
        asked<SessionView>("GET", at("sessions", session_id), { ...calling }),
      /** Newest first. */
      list: ({ agent_id, q, signal, ...listing }: SessionListing = {}) =>
        asked<Paged<{ readonly sessions: ReadonlyArray<SessionListItem> }>>("GET", "/sessions", {
          query: { ...page(listing), agent_id, q },
          signal
        }),
      remove: async (session_id: string, calling?: Calling): Promise<void> => {
        await asked("DELETE", at("sessions", session_id), { ...calling })
      },
      /** The newest messages, or the newest of those before one; oldest first. `cursor` goes back. */
      messages: (
        session_id: string,
        { before, signal, ...listing }: Listing & { readonly before?: string | undefined } = {}
      ) => transcript(session_id, { ...page(listing), before }, { signal }),
      /** Stops what runs in the session. */
      interrupt: async (session_id: string, calling?: Calling): Promise<void> => {
        await asked("POST", at("sessions", session_id, "interrupt"), { ...calling })
      }
    },

    runs: {
      get: (run_id: string, calling?: Calling) => asked<Run>("GET", at("runs", run_id), { ...calling }),
      /** Newest first. */
      list: ({ agent_id, session_id, signal, status, ...listing }: RunListing = {}) =>
        asked<Paged<{ readonly runs: ReadonlyArray<Run> }>>("GET", "/runs", {
          query: { ...page(listing), agent_id, session_id, status },
          signal
        })
    },

    /** The server's address, as requests have it. */
    url: requests.url,

    /** Any request, for what has no method here: `apiOf` of `stoa/client/Operations` makes typed operations of it. */
    open: requests.open
  }
}

export interface Client extends ReturnType<typeof make> {}
