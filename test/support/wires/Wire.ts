/** A provider's wire: how its server says things, and what a request to it asks for, in one common picture. */
import type { IncomingHttpHeaders } from "node:http"
import type { Say } from "./Say.ts"
import type { Rule } from "./Strict.ts"

/** A foreign document, read by whoever knows its shape. */
export type Json = ReturnType<typeof JSON.parse>

export interface Received {
  readonly method: string
  /** As sent, without the query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly bytes: Uint8Array
  /** Undefined when there was none. */
  readonly body: Json
}

/** An answer that streams. */
export interface Streamed {
  readonly content_type: string
  /** The wire's frames, one each. */
  readonly chunks: ReadonlyArray<Uint8Array>
  /** As many chunks as it takes until the answer says that it is whole. */
  readonly whole: number
}

/** An answer in one piece. */
export interface Plain {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
}

export type AskedPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "thinking"; readonly text: string; readonly signature?: string }
  | { readonly type: "file"; readonly media_type: string; readonly data: string }
  | {
    readonly type: "call"
    readonly id: string
    readonly name: string
    readonly args: Json
    readonly signature?: string
  }
  | { readonly type: "result"; readonly id: string; readonly text: string }

export interface AskedMessage {
  readonly role: "user" | "assistant" | "tool"
  readonly parts: ReadonlyArray<AskedPart>
}

export type AskedChoice = "auto" | "none" | "required" | { readonly name: string }

/** What is undefined was not asked for. */
export interface Asked {
  readonly model: string
  readonly system: string
  readonly messages: ReadonlyArray<AskedMessage>
  readonly tools: ReadonlyArray<{ readonly name: string; readonly description: string; readonly parameters: Json }>
  readonly tool_choice: AskedChoice | undefined
  /** The JSON schema that the answer shall have. */
  readonly output: Json
  readonly temperature: number | undefined
  readonly top_p: number | undefined
  readonly max_tokens: number | undefined
  readonly stop: ReadonlyArray<string> | undefined
  readonly seed: number | undefined
}

/** Why a provider refuses. */
export type Refusal =
  | "authentication"
  | "permission"
  | "no_model"
  | "too_long"
  | "bad_request"
  | "rate_limit"
  | "quota"
  | "failed"
  | "overloaded"

export interface AskedEmbedding {
  readonly model: string
  readonly input: ReadonlyArray<string>
  readonly dimensions: number | undefined
}

export interface Embeddings {
  readonly answer: (vectors: ReadonlyArray<ReadonlyArray<number>>, tokens: number) => Plain
  readonly read: (request: Received) => AskedEmbedding
  /** Texts that one request takes, when it is one. */
  readonly single?: boolean
}

export interface Wire {
  readonly say: (say: Say) => Streamed
  readonly read: (request: Received) => Asked
  /** Why the provider would refuse a request to its model; it is held to that in every test. */
  readonly faults?: Rule
  /** `words` go where the provider explains itself. */
  readonly refuse: (why: Refusal, words: string) => Plain
  /** Too many requests, and seconds until the next; else it is a header's. */
  readonly later?: (seconds: number, words: string) => Plain
  /** A frame that tells of an error in the middle of an answer, or in its place. */
  readonly breakOff: (words: string, why: "failed" | "rate_limit") => Uint8Array
  /** Models as the provider lists them, in one page. */
  readonly models: (names: ReadonlyArray<string>) => Plain
  readonly embeddings?: Embeddings
}

export const json = (body: object, status = 200, headers: Readonly<Record<string, string>> = {}): Plain => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body)
})

/** One server-sent event. */
export const sse = (data: object | string, event?: string): Uint8Array =>
  Buffer.from(
    `${event === undefined ? "" : `event: ${event}\n`}data: ${
      typeof data === "string" ? data : JSON.stringify(data)
    }\n\n`
  )

export const eventStream = "text/event-stream"

/** `data:image/png;base64,AAAA` */
export const dataUrl = (url: string): { readonly media_type: string; readonly data: string } => {
  const [, media_type = "", data = ""] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? []
  return { media_type, data }
}

export const listed = (value: Json): ReadonlyArray<Json> => value === undefined || value === null ? [] : [value].flat()

/** Neighbours of one role as one message: some providers want a message per part, some one per turn. */
export const merged = (messages: ReadonlyArray<AskedMessage>): ReadonlyArray<AskedMessage> => {
  const all: Array<AskedMessage> = []
  for (const { parts, role } of messages) {
    const last = all.at(-1)
    if (last?.role === role) all[all.length - 1] = { role, parts: [...last.parts, ...parts] }
    else if (parts.length > 0) all.push({ role, parts })
  }
  return all
}
