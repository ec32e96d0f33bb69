/** HTTP as the driver's clients speak it: connections of their own, frames kept as the bytes they came as. */
import { Agent, request as httpRequest } from "node:http"

const agent = new Agent({ keepAlive: true, maxSockets: Infinity })

const headers = { "x-user-id": "ada", "content-type": "application/json" }

export interface Answer {
  readonly status: number
  readonly text: string
}

/** Rejects when the connection breaks before the answer is whole. */
export const call = (
  url: string,
  method: string,
  path: string,
  body?: unknown,
  more: Readonly<Record<string, string>> = {}
): Promise<Answer> =>
  new Promise((done, fail) => {
    const request = httpRequest(url + path, { method, agent, headers: { ...headers, ...more } }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (chunk) => text += chunk)
      response.on("error", fail)
      response.on("close", () =>
        response.complete ? done({ status: response.statusCode!, text }) : fail(new Error("The connection broke")))
    })
    request.on("error", fail)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })

export interface StreamEnd {
  /** Undefined when the connection broke before any answer. */
  readonly status: number | undefined
  /** The server ended it. */
  readonly whole: boolean
  /** The body where it is no stream. */
  readonly text: string
}

/** Hands over whole frames, comments aside, until the stream ends, breaks, or `leave` is aborted. Never rejects. */
export const stream = (
  url: string,
  path: string,
  options: {
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
    readonly leave?: AbortSignal
    readonly opened?: () => void
    readonly frame: (frame: string) => void
  }
): Promise<StreamEnd> =>
  new Promise((done) => {
    let rest = ""
    const request = httpRequest(url + path, {
      method: options.body === undefined ? "GET" : "POST",
      agent: false,
      headers: { ...headers, ...options.headers },
      ...(options.leave !== undefined && { signal: options.leave })
    }, (response) => {
      const status = response.statusCode!
      const isStream = status === 200 && String(response.headers["content-type"]).startsWith("text/event-stream")
      if (isStream) options.opened?.()
      response.setEncoding("utf8")
      response.on("data", (chunk: string) => {
        rest += chunk
        if (!isStream) return
        let from = 0
        for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n", from)) {
          const frame = rest.slice(from, end).replace(/^(:.*\n)+/, "")
          from = end + 2
          if (!frame.startsWith(":")) options.frame(frame)
        }
        rest = rest.slice(from)
      })
      response.on("error", () => {})
      response.on("close", () => done({ status, whole: response.complete, text: rest }))
    })
    request.on("error", () => done({ status: undefined, whole: false, text: "" }))
    request.end(options.body === undefined ? undefined : JSON.stringify(options.body))
  })
