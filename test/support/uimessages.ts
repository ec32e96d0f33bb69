/** The AI SDK's own chat, as `useChat` has it, without a page around it. */
import {
  AbstractChat,
  type ChatInit,
  type ChatState,
  type ChatStatus,
  DefaultChatTransport,
  readUIMessageStream,
  type UIMessage,
  type UIMessageChunk
} from "ai"
import { Effect } from "effect"
import { TestHost } from "./TestHost.ts"

class State implements ChatState<UIMessage> {
  status: ChatStatus = "ready"
  error: Error | undefined
  messages: Array<UIMessage>

  constructor(messages: Array<UIMessage> = []) {
    this.messages = messages
  }

  pushMessage = (message: UIMessage) => {
    this.messages = [...this.messages, message]
  }

  popMessage = () => {
    this.messages = this.messages.slice(0, -1)
  }

  replaceMessage = (index: number, message: UIMessage) => {
    this.messages = this.messages.map((one, i) => i === index ? structuredClone(message) : one)
  }

  snapshot = <T>(thing: T): T => structuredClone(thing)
}

export class Chat extends AbstractChat<UIMessage> {
  constructor({ messages, ...init }: ChatInit<UIMessage>) {
    super({ ...init, state: new State(messages) })
  }
}

export interface Exchange {
  readonly method: string
  readonly status: number
  readonly headers: Headers
  /** The whole body, when it has come. */
  readonly text: Promise<string>
}

/** A chat with an agent of the test host, and what went over the wire. */
export const chatting = (user: string, init: ChatInit<UIMessage> & { readonly body?: object } = {}) =>
  Effect.map(TestHost, ({ url }) => {
    const exchanges: Array<Exchange> = []
    const { body, ...rest } = init
    const transport = new DefaultChatTransport<UIMessage>({
      api: `${url}/ui-messages`,
      headers: { "x-user-id": user },
      ...body !== undefined && { body },
      fetch: async (input, given) => {
        const response = await fetch(input, given)
        const [mine, its] = response.body === null ? [null, null] : response.body.tee()
        const text = new Response(mine).text().catch(() => "")
        exchanges.push({ method: given?.method ?? "GET", status: response.status, headers: response.headers, text })
        return new Response(its, { status: response.status, headers: response.headers })
      }
    })
    return { chat: new Chat({ ...rest, transport }), exchanges }
  })

/** The chunks of a stream's bytes. */
export const chunksOf = (text: string): ReadonlyArray<UIMessageChunk> =>
  text.split("\n").flatMap((line) => line.startsWith("data: {") ? [JSON.parse(line.slice("data: ".length))] : [])

/** The message that a stream comes to, read as the client reads it. What it refuses is an error; what went wrong in the run is told. */
export const readOf = async (text: string): Promise<{ message: UIMessage | undefined; errors: Array<string> }> => {
  const transport = new DefaultChatTransport<UIMessage>({
    api: "http://127.0.0.1/",
    fetch: async () => new Response(text, { headers: { "content-type": "text/event-stream" } })
  })
  const stream = await transport.sendMessages({
    chatId: "one",
    messages: [],
    abortSignal: undefined,
    trigger: "submit-message",
    messageId: undefined
  })
  const told = new Set(chunksOf(text).flatMap((chunk) => chunk.type === "error" ? [chunk.errorText] : []))
  const errors: Array<string> = []
  const refused: Array<unknown> = []
  let message: UIMessage | undefined
  const onError = (error: unknown) => {
    if (error instanceof Error && told.has(error.message)) errors.push(error.message)
    else refused.push(error)
  }
  for await (const next of readUIMessageStream({ stream, onError })) message = next
  if (refused.length > 0) throw new Error(`The client refuses the stream: ${String(refused[0])}\n${text}`)
  return { message, errors }
}

/** What a message says, without its thoughts and tools. */
export const textIn = (message: UIMessage | undefined): string =>
  (message?.parts ?? []).map((part) => part.type === "text" ? part.text : "").join("")
