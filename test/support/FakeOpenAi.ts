/** A Chat Completions server on loopback that answers as it is told and remembers what it was asked. */
import { Effect } from "effect"
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"

/** How a stream ends: properly, with a broken connection, never, or without saying why it ended. */
export type Ending = "done" | "cut" | "hang" | "unfinished"

export type Answer =
  /** Objects are sent as events, strings and bytes as they are. */
  | { readonly events: ReadonlyArray<object | string | Uint8Array>; readonly ending?: Ending }
  | { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> }
  | "hang"

export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: {
    readonly messages: ReadonlyArray<Readonly<Record<string, unknown>>>
    readonly [key: string]: unknown
  }
}

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "fake",
  choices: [{ index: 0, delta, finish_reason }]
})

export const text = (content: string) => chunk({ content })

export const reasoning = (reasoning_content: string) => chunk({ reasoning_content })

export const callStart = (index: number, id: string, name: string) =>
  chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] })

export const callArguments = (index: number, fragment: string) =>
  chunk({ tool_calls: [{ index, function: { arguments: fragment } }] })

export const finish = (reason: "stop" | "tool_calls" | "length" | "content_filter") => chunk({}, reason)

export const usage = (
  prompt_tokens: number,
  completion_tokens: number,
  details: { readonly cached?: number; readonly reasoning?: number } = {}
) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1,
  model: "fake",
  choices: [],
  usage: {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens: details.cached ?? 0 },
    completion_tokens_details: { reasoning_tokens: details.reasoning ?? 0 }
  }
})

const reply = (response: ServerResponse, answer: Answer) => {
  if (answer === "hang") return
  if ("status" in answer) {
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers })
    response.end(answer.body)
    return
  }
  response.writeHead(200, { "content-type": "text/event-stream" })
  const frames = answer.events.map((event) =>
    event instanceof Uint8Array
      ? event
      : Buffer.from(typeof event === "string" ? event : `data: ${JSON.stringify(event)}\n\n`)
  )
  response.flushHeaders()
  response.write(Buffer.concat(frames), () => {
    switch (answer.ending ?? "done") {
      case "done":
        response.end("data: [DONE]\n\n")
        break
      case "unfinished":
        response.end()
        break
      case "cut":
        response.destroy()
        break
      case "hang":
        break
    }
  })
}

export interface FakeOpenAi {
  readonly baseUrl: string
  /** Oldest first. */
  readonly asked: ReadonlyArray<Asked>
  /** How many connections of hanging answers the client has closed. */
  readonly left: () => number
  /** Answers to come, in order; the last one stays. */
  readonly answer: (...answers: ReadonlyArray<Answer>) => void
}

/** Closed with the scope. */
export const make = Effect.acquireRelease(
  Effect.async<FakeOpenAi & { readonly close: () => void }>((resume) => {
    const asked: Array<Asked> = []
    let answers: ReadonlyArray<Answer> = []
    let left = 0
    const server = createServer((request, response) => {
      const chunks: Array<Buffer> = []
      response.on("close", () => {
        if (!response.writableEnded) left++
      })
      request.on("data", (data: Buffer) => chunks.push(data))
      request.on("end", () => {
        asked.push({
          path: request.url ?? "",
          headers: request.headers,
          body: JSON.parse(Buffer.concat(chunks).toString()) as Asked["body"]
        })
        const [answer = "hang" as const, ...rest] = answers
        if (rest.length > 0) answers = rest
        reply(response, answer)
      })
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(Effect.succeed({
        baseUrl: `http://127.0.0.1:${port}/v1`,
        asked,
        left: () => left,
        answer: (...next) => {
          answers = next
        },
        close: () => {
          server.closeAllConnections()
          server.close()
        }
      }))
    })
  }),
  ({ close }) => Effect.sync(close)
)
