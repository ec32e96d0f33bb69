/** One connection to a server, by the official client: what tools it has, and calls of them. */
import type {
  Client,
  JsonSchemaValidator,
  jsonSchemaValidator,
  RequestOptions,
  StandardSchemaV1,
  Tool,
  Transport
} from "@modelcontextprotocol/client"
import type * as Official from "@modelcontextprotocol/client"
import { Data, Duration, Effect, Predicate, type Scope } from "effect"
import { pathToFileURL } from "node:url"
import type { JsonObject } from "../../domain/Json.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { maxMcpTools, type McpToolDefinition } from "../../domain/McpTool.ts"
import { type McpAsker, McpFailed, type McpProblem } from "../../services/Mcp.ts"
import { monotonicMillis } from "../../services/Now.ts"
import { OutboundRefused } from "../../services/Outbound.ts"
import { type Veil, veiledIn } from "../Veil.ts"
import * as Calls from "./Calls.ts"
import { definitionsOf } from "./Definitions.ts"
import { areHeadersGood } from "./ParamHeaders.ts"
import type { Answer } from "./Results.ts"

/** Longest time to connect and to list the tools. */
export const connectTimeout = Duration.seconds(15)

/** Longest wait for the answer of one request of the handshake, in milliseconds, and for the question which protocol a program speaks. */
const handshakeTimeout = 10_000
const probeTimeout = 3_000

/** How long a server may take to hear that the connection ends. */
const farewellTimeout = Duration.seconds(1)

/** Most pages of a list of tools. */
const maxPages = 16

/** Longest text of a server about its own failure, in characters. */
const maxWords = 2_000

/** How old a list of tools may be when one of them is called. */
const listFor = Duration.seconds(60)

export type Sdk = typeof Official

/** The official client is loaded when the first server is connected. */
export const load: Effect.Effect<Sdk> = Effect.promise(() => import("@modelcontextprotocol/client"))

export interface Connection {
  /** The tools as they are offered now; asked for again when that is long ago, or when the server says that they changed. */
  readonly tools: Effect.Effect<ReadonlyArray<McpToolDefinition>, McpFailed>
  readonly call: (
    name: string,
    input: JsonObject,
    timeout: Duration.Duration,
    asker?: McpAsker
  ) => Effect.Effect<Answer, McpFailed>
  /** Takes out of a text what only the server may know. */
  readonly veil: Veil
  /** It has ended, by itself or by us. */
  readonly isClosed: () => boolean
}

/** What is wrong with a server, in words without anything from it. */
const sentences: Readonly<Record<McpProblem, string>> = {
  connection: "The server cannot be reached.",
  forgotten: "The server has forgotten the connection.",
  auth: "The server does not accept these credentials.",
  authorization: "The server needs a person's authorization: begin one, and open its address in a browser.",
  timeout: "The server did not answer in time.",
  config: "The server's address may not be reached from here.",
  protocol: "The server's answer could not be understood.",
  changed: "The tool has changed since it was approved."
}

export const failedWith = (problem: McpProblem, more = ""): McpFailed =>
  new McpFailed({ problem, message: more === "" ? sentences[problem] : `${sentences[problem]} ${more}` })

class Thrown extends Data.TaggedError("Thrown")<{ readonly cause: unknown }> {}

/** The failures behind a failure. A server cannot make them endless: they are made here. */
const chain = (error: unknown): ReadonlyArray<unknown> => {
  const all: Array<unknown> = []
  for (let at: unknown = error; at !== undefined && at !== null && all.length < 8;) {
    all.push(at)
    at = Predicate.hasProperty(at, "cause") ? at.cause : undefined
  }
  return all
}

export interface Options {
  readonly sdk: Sdk
  readonly transport: Transport
  readonly isProgram: boolean
  /** The folder of the workspace that a program works in. */
  readonly root?: string
  /** Its credentials are tokens that a person has allowed. */
  readonly hasTokens?: boolean
  /** Tells the server that the connection ends. */
  readonly farewell?: () => Promise<void>
  readonly veil: Veil
  /** Why it ended, as a sentence, if anybody knows. */
  readonly ended: () => string | undefined
  readonly mode: "auto" | "legacy"
}

/** Nothing of a tool's result is checked by schemas that the server makes: they may take for ever. */
const unchecked: jsonSchemaValidator = {
  getValidator: <T>(): JsonSchemaValidator<T> => (input) => ({ valid: true, data: input as T, errorMessage: undefined })
}

/** A page of tools as it is read: what is no tool is left out, so that it does not hide the others. */
const pageOf = (value: unknown) => {
  if (!isObject(value) || !Array.isArray(value["tools"])) return undefined
  const tools = value["tools"].slice(0, maxMcpTools).flatMap((tool: unknown): ReadonlyArray<Tool> => {
    if (!isObject(tool) || typeof tool["name"] !== "string" || !isObject(tool["inputSchema"])) return []
    const { description, inputSchema, name } = tool
    if (inputSchema["type"] !== "object" || inputSchema["properties"] === null) return []
    return [{
      name,
      inputSchema: { ...inputSchema, type: "object" },
      ...(typeof description === "string" && { description })
    }]
  })
  const { nextCursor } = value
  return { tools, nextCursor: typeof nextCursor === "string" ? nextCursor : undefined }
}

type ListOfTools = NonNullable<ReturnType<typeof pageOf>>

const listOfTools: StandardSchemaV1<ListOfTools, ListOfTools> = {
  "~standard": {
    version: 1,
    vendor: "stoa",
    validate: (value) => {
      const page = pageOf(value)
      return page === undefined ? { issues: [{ message: "Expected a list of tools" }] } : { value: page }
    }
  }
}

export const make = Effect.fnUntraced(function*(
  { ended, farewell, hasTokens = false, isProgram, mode, root, sdk, transport, veil }: Options
): Effect.fn.Return<Connection, McpFailed, Scope.Scope> {
  let isClosed = false
  let isConnected = false
  let isStale = false

  const failureOf = ({ cause }: Thrown): McpFailed => {
    const all = chain(cause)
    const own = all.find((one) => one instanceof McpFailed)
    if (own !== undefined) return own
    const refused = failedWith(hasTokens ? "authorization" : "auth")
    const refusal = all.find((one) => one instanceof OutboundRefused)
    if (refusal?.code === "address_not_allowed") return failedWith("config")
    if (refusal?.code === "redirect_not_followed") return failedWith("connection", "It redirects to another address.")
    const http = all.find((one) => sdk.SdkHttpError.isInstance(one))
    if (http !== undefined) {
      if (http.status === 401 || http.status === 403) return refused
      const status = `It answered with the status ${http.status}.`
      return failedWith(http.status === 404 && isConnected ? "forgotten" : "connection", status)
    }
    if (all.some((one) => sdk.UnauthorizedError.isInstance(one))) return refused
    const protocol = all.find((one) => sdk.ProtocolError.isInstance(one))
    if (protocol !== undefined) {
      const words = veil(protocol.message.toWellFormed().replaceAll("\0", "\ufffd")).slice(0, maxWords)
      return new McpFailed({ problem: "protocol", message: `The server refused: ${words}` })
    }
    const known = all.find((one) => sdk.SdkError.isInstance(one))
    if (known?.code === sdk.SdkErrorCode.RequestTimeout) return failedWith("timeout")
    const why = ended()
    if (why !== undefined) return failedWith("connection", why)
    if (known?.code === sdk.SdkErrorCode.InvalidResult) return failedWith("protocol")
    const tooMuch = all.find((one) => Predicate.hasProperty(one, "name") && one.name === "TooMuch")
    if (tooMuch instanceof Error) return failedWith("protocol", tooMuch.message)
    const isNetwork = all.some((one) => one instanceof TypeError) || known !== undefined
    return failedWith(isNetwork ? "connection" : "protocol")
  }

  const asked = <A>(ask: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, McpFailed> =>
    Effect.mapError(Effect.tryPromise({ try: ask, catch: (cause) => new Thrown({ cause }) }), failureOf)

  const client: Client = new sdk.Client({ name: "stoa", version: "0.1.0" }, {
    capabilities: { elicitation: { form: {}, url: {} }, ...(root !== undefined && { roots: {} }) },
    jsonSchemaValidator: unchecked,
    versionNegotiation: { mode, probe: { timeoutMs: isProgram ? probeTimeout : handshakeTimeout } }
  })
  client.onclose = () => {
    isClosed = true
  }
  // What fails without belonging to a request is nobody's: garbage, answers that come late or twice.
  client.onerror = () => {}
  client.setNotificationHandler("notifications/tools/list_changed", () => {
    isStale = true
  })

  if (root !== undefined) {
    client.setRequestHandler("roots/list", () => ({ roots: [{ uri: pathToFileURL(root).href, name: "workspace" }] }))
  }
  const calls = yield* Calls.make(sdk, client, veil, failedWith("timeout"))

  const options = (signal: AbortSignal): RequestOptions => ({ signal, timeout: handshakeTimeout })

  const list = Effect.gen(function*() {
    const found: Array<Tool> = []
    let cursor: string | undefined
    for (let pages = 0; pages < maxPages && found.length < maxMcpTools; pages++) {
      const at = cursor
      const { nextCursor, tools } = yield* asked((signal) =>
        client.request(
          { method: "tools/list", params: at === undefined ? {} : { cursor: at } },
          listOfTools,
          options(signal)
        )
      )
      // On other ways to a server there are no headers.
      const hasHeaders = !isProgram && client.getProtocolEra() === "modern"
      found.push(...tools.filter(({ inputSchema }) => !hasHeaders || areHeadersGood(inputSchema)))
      if (nextCursor === undefined || nextCursor === at) break
      cursor = nextCursor
    }
    const raw = new Map(found.map((tool) => [tool.name, tool]))
    const shown = found.map(({ description, inputSchema, name }) => ({
      name,
      description: description && veil(description),
      inputSchema: veiledIn(inputSchema, veil)
    }))
    return { raw, definitions: definitionsOf(shown), at: yield* monotonicMillis }
  })

  const leave = Effect.tryPromise(() => farewell?.() ?? Promise.resolve()).pipe(Effect.timeout(farewellTimeout))
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(Effect.ignore(leave), Effect.ignore(Effect.tryPromise(() => client.close())))
  )
  yield* asked((signal) => client.connect(transport, options(signal)))
  isConnected = true
  let known = yield* list
  const lock = Effect.unsafeMakeSemaphore(1)

  const tools = lock.withPermits(1)(Effect.gen(function*() {
    const now = yield* monotonicMillis
    if (!isStale && now - known.at < Duration.toMillis(listFor)) return known.definitions
    // Before the request: what changes while it is answered makes the list stale again.
    isStale = false
    known = yield* Effect.tapError(list, () =>
      Effect.sync(() => {
        isStale = true
      }))
    return known.definitions
  }))

  return {
    tools,
    veil,
    isClosed: () => isClosed,
    call: (name, input, timeout, asker) => {
      const toolDefinition = known.raw.get(name)
      const options = toolDefinition === undefined ? {} : { toolDefinition }
      return calls({ name, arguments: input }, { asker, options, timeout }, asked)
    }
  }
})
