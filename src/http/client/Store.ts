/**
 * A session as a page shows it: a value that is replaced when something has changed, and functions that do something.
 * `subscribe` and `getSnapshot` are what React's `useSyncExternalStore` takes, and other libraries have as well.
 */
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import type { Run } from "../../domain/Run.ts"
import type { Usage } from "../../domain/Usage.ts"
import { type Answer, answerOf } from "./Answer.ts"
import type { Ask, Client } from "./Client.ts"
import { type ActiveRun, Exchange, type Question, type Queued } from "./Exchange.ts"
import type { Seen } from "./Follow.ts"
import { Link, type LinkState } from "./Link.ts"
import type { RunRef } from "./Run.ts"
import { newKey } from "./Sending.ts"
import { asStoaError, StoaError } from "./StoaError.ts"
import { inNextFrame } from "./Ticks.ts"

/** @public The parts of a snapshot. */
export type { ActiveRun, Question, Queued }

/** Messages of one page. */
const pageSize = 50

/** Most inputs that are on their way at once, and runs that are looked through for one that waits. */
const maxSending = 32
const maxRuns = 100

/** How long the stream stays open when nobody looks any more, in milliseconds: somebody mostly looks again at once. */
const linger = 1_000

/** An input of this page that the session's events have not told of yet. */
export interface Sending {
  readonly key: string
  readonly input: Ask["input"]
}

export interface SessionSnapshot {
  readonly session_id: string
  readonly connection: LinkState
  /** Whether the transcript is here. What was there stays while a connection is made again. */
  readonly isLoaded: boolean
  /** Oldest first; the reply in the making is the last one. A message that did not change is the same object as before. */
  readonly messages: ReadonlyArray<Message>
  readonly hasOlder: boolean
  readonly isLoadingOlder: boolean
  readonly run: ActiveRun | undefined
  /** The calls that wait for an answer, with `run.waiting_for`. */
  readonly calls: ReadonlyArray<ToolCallBlock>
  readonly elicitations: ReadonlyArray<Question>
  /** Inputs that wait for the runs before them, oldest first. */
  readonly queue: ReadonlyArray<Queued>
  readonly sending: ReadonlyArray<Sending>
  /** Of the messages that are loaded. */
  readonly usage: Usage
  /** The `seq` of the last event; undefined before the first. */
  readonly seq: number | undefined
}

export type SendOptions = Omit<Ask, "agent_id" | "session_id" | "input">

/** A snapshot before anything is known. */
export const unknown = (session_id: string): SessionSnapshot => ({
  session_id,
  connection: { state: "connecting", error: undefined },
  isLoaded: false,
  messages: [],
  hasOlder: false,
  isLoadingOlder: false,
  run: undefined,
  calls: [],
  elicitations: [],
  queue: [],
  sending: [],
  usage: { input_tokens: 0, output_tokens: 0 },
  seq: undefined
})

/** Whether it does not change any more. */
const isWhole = ({ finished_at }: Message) => finished_at !== null

/** It connects when somebody subscribes, and leaves when nobody does any more. The session itself goes on. */
export const sessionStore = (client: Client, session_id: string, known: { readonly agent_id?: string } = {}) => {
  const listeners = new Set<() => void>()
  let snapshot = unknown(session_id)
  let connection = snapshot.connection
  let exchange = new Exchange()
  /** What was known before a connection without a cursor; it is shown until the transcript is here. */
  let isLoaded = false
  let loading = new AbortController()
  let olderPage: Promise<void> | undefined
  let readingQueue: AbortController | undefined
  let sending: ReadonlyArray<Sending & { readonly run_id?: string }> = []
  /** A session has one agent for all its time. */
  let agent_id = known.agent_id
  let leaving: ReturnType<typeof setTimeout> | undefined

  const flush = () => {
    snapshot = {
      ...(isLoaded || !snapshot.isLoaded
        ? {
          messages: exchange.messages,
          hasOlder: exchange.hasOlder,
          run: exchange.run,
          calls: exchange.calls,
          elicitations: exchange.elicitations,
          queue: exchange.queue,
          usage: exchange.usage,
          seq: exchange.seq,
          isLoaded
        }
        : snapshot),
      session_id,
      connection,
      isLoadingOlder: olderPage !== undefined,
      sending
    }
    for (const listener of Array.from(listeners)) listener()
  }
  const changed = inNextFrame(flush)

  const clearSent = () => {
    sending = sending.filter(({ run_id }) => run_id === undefined || !exchange.knows(run_id))
  }

  /** The texts of inputs that wait, of which events tell the run alone. */
  const readQueue = async (signal: AbortSignal) => {
    const { runs } = await client.runs.list({ session_id, status: "queued", limit: maxRuns, signal })
    exchange.enqueue(runs.toReversed())
    changed()
  }

  const wantQueue = () => {
    if (readingQueue !== undefined) return
    const reading = new AbortController()
    readingQueue = reading
    // Without the texts the queue is shown all the same.
    void readQueue(reading.signal).catch(() => {}).finally(() => {
      readingQueue = undefined
    })
  }

  /** The run of a reply that is not whole, and that the stream does not tell from its beginning: it waits, or has begun in this moment. */
  const runOf = async (reply: Message, signal: AbortSignal): Promise<Run | undefined> => {
    const { runs } = await client.runs.list({ session_id, limit: maxRuns, signal })
    return runs.find(({ reply_id }) => reply_id === reply.id)
  }

  const load = async (into: Exchange, before: ReadonlyArray<Message>, hadOlder: boolean, signal: AbortSignal) => {
    const accepted = new Set(sending.filter(({ run_id }) => run_id !== undefined))
    const [{ messages, next_cursor }] = await Promise.all([
      client.sessions.messages(session_id, { limit: pageSize, signal }),
      readQueue(signal)
    ])
    const begun = messages.find(({ finished_at, id }) => finished_at === null && !into.has(id))
    const run = begun === undefined ? undefined : await runOf(begun, signal)
    if (signal.aborted) return
    const same = new Map(before.map((message) => [message.id, message]))
    into.prepend(messages.filter(isWhole).map((message) => same.get(message.id) ?? message), next_cursor !== null)
    const place = before.findIndex(({ id }) => id === messages[0]?.id)
    if (place > 0) into.prepend(before.slice(0, place), hadOlder)
    // What was accepted before is in what was read, even if no event tells of it any more.
    sending = sending.filter((one) => !accepted.has(one))
    isLoaded = true
    changed()
    if (begun === undefined || into.has(begun.id)) return
    exchange = into.before(begun, run)
    if (run?.first_seq != null) link.restart(run.first_seq - 1)
  }

  const link = new Link(client, {
    session: session_id,
    onEvent: (event: Seen) => {
      exchange.add(event)
      if (sending.length > 0) clearSent()
      if (exchange.isQueueUnread) wantQueue()
      changed()
    },
    onFresh: () => {
      loading.abort()
      loading = new AbortController()
      const { signal } = loading
      const { hasOlder, messages } = exchange
      exchange = new Exchange()
      isLoaded = false
      load(exchange, messages.filter(isWhole), hasOlder, signal).catch((error: unknown) => {
        if (!signal.aborted) link.fail(asStoaError(error))
      })
    },
    onState: (state) => {
      connection = state
      if (state.state === "ended") loading.abort()
      changed()
    }
  })

  const stop = () => {
    leaving = undefined
    link.stop()
    readingQueue?.abort()
    if (isLoaded) return
    loading.abort()
    link.forget()
  }

  const loadPage = async () => {
    const into = exchange
    const before = into.messages[0]?.id
    const { messages, next_cursor } = await client.sessions.messages(session_id, { before, limit: pageSize })
    into.prepend(messages.filter(isWhole), next_cursor !== null)
  }

  const accept = async (ask: Pick<Ask, "input"> & SendOptions): Promise<RunRef> => {
    const run = await client.send({ ...ask, agent_id, session_id })
    agent_id = run.agent_id
    return run
  }

  const send = async (input: Ask["input"], options: SendOptions = {}): Promise<RunRef> => {
    if (sending.length >= maxSending) {
      throw new StoaError("misused", `${maxSending} inputs are on their way already.`)
    }
    const key = options.idempotency_key ?? newKey()
    sending = [...sending, { key, input }]
    changed()
    try {
      const run = await accept({ ...options, input, idempotency_key: key })
      sending = sending.map((one) => one.key === key ? { ...one, run_id: run.run_id } : one)
      clearSent()
      return run
    } catch (error) {
      sending = sending.filter((one) => one.key !== key)
      throw error
    } finally {
      changed()
    }
  }

  return {
    session_id,

    getSnapshot: (): SessionSnapshot => snapshot,

    /** Calls after each change, once in a frame at most; what it answers ends that. */
    subscribe: (listener: () => void): () => void => {
      const own = () => listener()
      listeners.add(own)
      clearTimeout(leaving)
      leaving = undefined
      link.start()
      return () => {
        listeners.delete(own)
        if (listeners.size === 0 && leaving === undefined) leaving = setTimeout(stop, linger)
      }
    },

    /** Connects again where the connection has ended, as after another sign-in. */
    reopen: () => {
      link.start()
    },

    /** Sends an input; resolves when it is durable. Until then and until its event it is in `sending`. */
    send,

    /** Answers what the run waits for. */
    answer: async (answer: Answer): Promise<RunRef> => {
      const { calls, run } = exchange
      const input = answerOf({ calls, waiting_for: run?.waiting_for, message: { id: run?.reply_id ?? "" } }, answer)
      return accept({ input })
    },

    /** Stops the run that goes on or waits; the inputs behind it stay. */
    stop: () => client.sessions.interrupt(session_id),

    /** Stops one run, also one that waits its turn. */
    cancel: (run_id: string) => client.stop(run_id),

    /** Loads the messages before the first one. */
    loadOlder: (): Promise<void> => {
      if (olderPage === undefined && exchange.hasOlder && !exchange.isFull) {
        olderPage = loadPage().finally(() => {
          olderPage = undefined
          changed()
        })
        changed()
      }
      return olderPage ?? Promise.resolve()
    },

    /** Leaves at once. */
    close: () => {
      clearTimeout(leaving)
      stop()
    }
  }
}

export interface SessionStore extends ReturnType<typeof sessionStore> {}
