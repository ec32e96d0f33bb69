/** A2A's own client against the test host, over both transports, and what it says in few words. */
import { SendMessageRequest, type StreamResponse, type Task, TaskState } from "@a2a-js/sdk"
import {
  type Client,
  ClientFactory,
  ClientFactoryOptions,
  DefaultAgentCardResolver,
  JsonRpcTransportFactory,
  RestTransportFactory
} from "@a2a-js/sdk/client"
import { Effect } from "effect"

export const transports = ["JSONRPC", "HTTP+JSON"] as const
export type Transport = (typeof transports)[number]

/** A client of the agent of a card; its key goes with every request. */
export const clientOf = (url: string, key: string, transport: Transport): Promise<Client> => {
  const fetchImpl: typeof fetch = (input, init) =>
    fetch(input, {
      ...init,
      headers: { ...Object.fromEntries(new Headers(init?.headers)), authorization: `Bearer ${key}` }
    })
  const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [
      transport === "JSONRPC" ? new JsonRpcTransportFactory({ fetchImpl }) : new RestTransportFactory({ fetchImpl })
    ],
    preferredTransports: [transport],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl })
  })
  return new ClientFactory(options).createFromUrl(url, ".well-known/agent-card.json")
}

let messages = 0

/** A request as JSON has it. */
export const saying = (text: string, more: object = {}, configuration?: object): SendMessageRequest =>
  SendMessageRequest.fromJSON({
    message: { messageId: `m${messages++}`, role: "ROLE_USER", parts: [{ text }], ...more },
    ...configuration !== undefined && { configuration }
  })

export const answering = (task: Task, data: object): SendMessageRequest =>
  SendMessageRequest.fromJSON({
    message: { messageId: `m${messages++}`, role: "ROLE_USER", taskId: task.id, parts: [{ data }] }
  })

export const taskIn = (answer: unknown): Task => {
  if (typeof answer === "object" && answer !== null && "status" in answer) return answer as Task
  throw new Error(`That is no task: ${JSON.stringify(answer)}`)
}

/** What a task has answered. */
export const textOf = ({ artifacts }: Pick<Task, "artifacts">): string =>
  artifacts.flatMap(({ parts }) => parts).map(({ content }) => content?.$case === "text" ? content.value : "").join("")

export const stateOf = ({ status }: Pick<Task, "status">): string => TaskState[status?.state ?? TaskState.UNRECOGNIZED]!

export interface Streamed {
  readonly kinds: ReadonlyArray<string>
  readonly task: Task
  readonly text: string
  readonly states: ReadonlyArray<string>
}

/** A stream to its end. */
export const streamed = async (stream: AsyncIterable<StreamResponse>): Promise<Streamed> => {
  const kinds: Array<string> = []
  const states: Array<string> = []
  let task: Task | undefined
  let text = ""
  for await (const { payload } of stream) {
    if (payload === undefined) throw new Error("A frame says nothing")
    kinds.push(payload.$case)
    if (payload.$case === "task") {
      task = payload.value
      text = textOf(payload.value)
    }
    if (payload.$case === "statusUpdate") states.push(stateOf(payload.value))
    if (payload.$case === "artifactUpdate") {
      const { append, artifact } = payload.value
      text = (append ? text : "") + textOf({ artifacts: artifact === undefined ? [] : [artifact] })
    }
  }
  if (task === undefined) throw new Error("The stream has no task")
  return { kinds, task, text, states }
}

/** The error that a call is refused with. */
export const refusal = (ask: () => Promise<unknown>): Effect.Effect<Error> =>
  Effect.promise(async () => {
    try {
      await ask()
    } catch (error) {
      if (error instanceof Error) return error
      throw error
    }
    throw new Error("The call was not refused")
  })
