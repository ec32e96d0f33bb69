/**
 * One request of the older revisions on its way: what the SDK's server sends goes to the client over the request's own
 * stream, or as the one answer. The client's answers to questions come by other requests, which find it by its id.
 */
import type { JSONRPCMessage, Transport, TransportSendOptions } from "@modelcontextprotocol/server"
import { Deferred, Effect, FiberId } from "effect"
import { randomBytes } from "node:crypto"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Sink } from "../../../services/Rooms.ts"
import { type EventId, eventId, isPart } from "./Marks.ts"

/** Revisions since then know events without data, by which a stream can be taken up again before it has told anything. */
const sinceMarks = "2025-11-25"

const encoder = new TextEncoder()

export interface About {
  readonly owner: UserId
  /** Empty for clients without a session. */
  readonly session: string
  readonly version: string
  readonly request: unknown
  readonly token: unknown
}

/** Between the id of a flight and the number of its question. */
const separator = ":"

/** Whose question an answer is for, and by which number; undefined for what is no answer to one of ours. */
export const questionOf = (id: unknown): { readonly flight: string; readonly number: number } | undefined => {
  const [, flight, number] = typeof id === "string" ? /^([\w-]{1,64}):(\d{1,9})$/.exec(id) ?? [] : []
  return flight === undefined ? undefined : { flight, number: Number(number) }
}

export class Flight implements Transport {
  readonly id = randomBytes(16).toString("base64url")
  readonly about: About
  /** The SDK sets them. */
  onmessage?: NonNullable<Transport["onmessage"]>
  onclose?: () => void
  onerror?: (error: Error) => void
  /** The client has said that it wants no answer any more. */
  isUnwanted = false
  readonly answer = Deferred.unsafeMake<JsonObject>(FiberId.none)
  /** The SDK's server has taken over what is known of the session. */
  readonly isInitialized: Promise<void>
  #initialized = () => {}
  #out: Sink | undefined
  #mark: EventId | undefined
  #isClosed = false

  constructor(about: About) {
    this.about = about
    this.isInitialized = new Promise((resolve) => {
      this.#initialized = resolve
    })
  }

  readonly start = async () => {}

  /** Deferred: the SDK waits for it. */
  readonly send = async (message: JSONRPCMessage, _?: TransportSendOptions) => {
    if (!("method" in message)) {
      if (message.id === this.id) return this.#initialized()
      return this.#answered(message)
    }
    const { params } = message
    if (message.method === "notifications/progress" && this.#mark !== undefined) {
      const told = params?.["progress"]
      if (typeof told === "number") this.#mark = { ...this.#mark, told }
    }
    if (message.method === "notifications/cancelled") {
      return this.#write({ ...message, params: { ...params, requestId: this.#named(params?.["requestId"]) } })
    }
    this.#write("id" in message ? { ...message, id: this.#named(message.id) } : message)
  }

  readonly close = async () => {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#out?.end()
    this.#out = undefined
    // Nobody waits for an answer then; who does all the same is told that there is none.
    Deferred.unsafeDone(this.answer, Effect.interrupt)
    this.onclose?.()
  }

  attach(out: Sink) {
    this.#out = out
  }

  /** The client is away. What is told meanwhile, it can have again by the log. */
  detach() {
    this.#out = undefined
  }

  /** From now on the stream can be taken up again. */
  accepted(run_id: string, told: number) {
    const { request, session, token, version } = this.about
    if (session === "" || !isPart(request) || this.#out === undefined) return
    this.#mark = { request, token: isPart(token) ? token : null, run_id, told }
    if (version >= sinceMarks) this.#out.write(encoder.encode(`id: ${eventId(this.#mark)}\ndata: \n\n`))
  }

  #named(number: unknown): string {
    return `${this.id}${separator}${String(number)}`
  }

  #answered(message: JSONRPCMessage) {
    this.#write(message)
    Deferred.unsafeDone(this.answer, Effect.succeed(message as JsonObject))
    void this.close()
  }

  #write(message: object) {
    if (this.#out === undefined) return
    const id = this.#mark === undefined ? "" : `id: ${eventId(this.#mark)}\n`
    this.#out.write(encoder.encode(`event: message\n${id}data: ${JSON.stringify(message)}\n\n`))
  }
}
