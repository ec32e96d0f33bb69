/** A thread as AG-UI's own clients see it: the one of 1.0, and one of before. Each checks every event that it is sent. */
import { HttpAgent as Newer } from "@ag-ui/client"
import { HttpAgent as Older } from "ag-ui-client-old"
import { Effect } from "effect"

// oxlint-disable-next-line typescript/no-explicit-any -- what a client reads has no types
type Json = any

export interface Told {
  /** The events, as the client has them after its checks. */
  readonly events: ReadonlyArray<Json>
  /** Why the client refused the stream, or the server the request; undefined when all went well. */
  readonly problem: string | undefined
}

export interface Thread {
  readonly run: (
    said?: string | object | ReadonlyArray<object>,
    options?: {
      readonly tools?: ReadonlyArray<object>
      readonly resume?: ReadonlyArray<object>
      readonly context?: ReadonlyArray<object>
    }
  ) => Effect.Effect<Told>
  readonly messages: () => ReadonlyArray<Json>
  readonly say: (message: object) => void
  readonly state: () => Json
  readonly setState: (state: object) => void
  readonly leave: () => void
}

export const versions = ["1.0.0", "0.0.59"] as const
export type Version = typeof versions[number]

/** What the clients have complained about, in their words. */
export const complaints: Array<string> = []
for (const level of ["warn", "error"] as const) {
  const told = console[level].bind(console)
  console[level] = (...words: ReadonlyArray<unknown>) => {
    const text = words.map(String).join(" ")
    // Runs that fail are told of to whoever started them as well.
    if (text.startsWith("Agent execution failed")) return
    if (text.includes("ag-ui")) complaints.push(text)
    else told(...words)
  }
}

let ids = 0

export const threadOf = (
  version: Version,
  options: {
    readonly url: string
    readonly key: string
    readonly threadId?: string
    /** What is answered in the place of a server. */
    readonly answer?: string
  }
): Thread => {
  const { answer, key, url } = options
  const config = {
    url,
    headers: { authorization: `Bearer ${key}` },
    threadId: options.threadId ?? `thread-${ids++}`,
    ...answer !== undefined &&
      { fetch: async () => new Response(answer, { headers: { "content-type": "text/event-stream" } }) }
  }
  const agent: Json = version === "1.0.0" ? new Newer(config) : new Older(config)
  return {
    run: (said, { context = [], resume, tools = [] } = {}) =>
      Effect.promise(async () => {
        const events: Array<Json> = []
        for (const message of Array.isArray(said) ? said : said === undefined ? [] : [said]) {
          agent.addMessage(
            typeof message === "string" ? { id: `mine-${ids++}`, role: "user", content: message } : message
          )
        }
        let problem: string | undefined
        const parameters = { runId: `run-${ids++}`, tools, context, ...(resume !== undefined && { resume }) }
        try {
          await agent.runAgent(parameters, {
            onEvent: ({ event }: Json) => {
              events.push(event)
            },
            onRunFailed: ({ error }: Json) => {
              problem = String(error.message)
            }
          })
        } catch (error) {
          problem = String((error as Error).message)
        }
        return { events, problem }
      }),
    messages: () => agent.messages,
    say: (message) => agent.addMessage(message),
    state: () => agent.state,
    setState: (state) => agent.setState(state),
    leave: () => agent.abortRun()
  }
}

/** The events of a stream, without anybody's checks. */
export const framesOf = (text: string): ReadonlyArray<Json> =>
  text.split("\n").flatMap((line) => line.startsWith("data: ") ? [JSON.parse(line.slice("data: ".length))] : [])

export const typesOf = (events: ReadonlyArray<Json>): ReadonlyArray<string> => events.map(({ type }) => type)

export const textIn = (events: ReadonlyArray<Json>): string =>
  events.filter(({ type }) => type === "TEXT_MESSAGE_CONTENT").map(({ delta }) => delta).join("")
