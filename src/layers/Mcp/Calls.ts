/**
 * Calls of one connection. What the server asks a person meanwhile belongs to one of them, and the time that the person
 * takes is not the server's.
 */
import type {
  CallToolRequestOptions,
  CallToolRequestParams,
  CallToolResult,
  Client,
  ElicitResult
} from "@modelcontextprotocol/client"
import { Duration, Effect, Option, Runtime } from "effect"
import { maxOfCall, requestOf } from "../../domain/Elicitation.ts"
import type { McpFailed } from "../../services/Mcp.ts"
import { type McpAsker } from "../../services/Mcp.ts"
import { monotonic, monotonicMillis } from "../../services/Now.ts"
import { type Veil, veiledIn } from "../Veil.ts"
import type { Sdk } from "./Client.ts"

/** How many times a server may answer a call with a question instead of a result, and questions of one such answer. */
const maxRounds = 16
const maxOfRound = 8

/** How many times its timeout a call may take while the server tells that it gets on. */
export const maxProgress = 5

/** The official client's own limits are never reached: ours stand still while a person is asked. */
const noTimeout = 0x7fff_ffff

/** Shortest time between two looks at a call that may be over, in milliseconds. */
const shortest = 50

interface Call {
  readonly asker: McpAsker | undefined
  readonly ended: AbortController
  readonly begun: number
  /** Questions so far, and those that are open. */
  asked: number
  open: number
  openSince: number
  /** Milliseconds in which a person was asked. */
  waited: number
  /** Time of the call at which the server has told that it gets on. */
  progressed: number
}

type Params = CallToolRequestParams

const cancelled: ElicitResult = { action: "cancel" }

export const make = Effect.fnUntraced(function*(sdk: Sdk, client: Client, veil: Veil, timedOut: McpFailed) {
  const runtime = yield* Effect.runtime<never>()
  const clock = yield* Effect.clock
  const calls = new Set<Call>()

  /** Time that a call has taken of the server's. */
  const spent = (call: Call) => {
    const now = monotonic(clock)
    return now - call.begun - call.waited - (call.open > 0 ? now - call.openSince : 0)
  }

  const ask = async (params: unknown, call: Call | undefined, signal: AbortSignal): Promise<ElicitResult> => {
    const request = requestOf(veiledIn(params, veil))
    if (Option.isNone(request)) {
      throw new sdk.ProtocolError(
        sdk.ProtocolErrorCode.InvalidParams,
        "This is no question that a person can be asked."
      )
    }
    if (call?.asker === undefined || call.asked >= maxOfCall) return cancelled
    call.asked++
    if (call.open++ === 0) call.openSince = monotonic(clock)
    try {
      const { action, content } = await Runtime.runPromise(runtime)(call.asker.ask(request.value), {
        signal: AbortSignal.any([signal, call.ended.signal])
      })
      if (action !== "accept") return { action }
      return request.value.mode === "url" ? { action } : { action, content: { ...content } as ElicitResult["content"] }
    } finally {
      if (--call.open === 0) call.waited += monotonic(clock) - call.openSince
    }
  }

  /** A question names no call. It is asked where all the calls that it could belong to are of one session. */
  const whose = (): Call | undefined => {
    const all = [...calls].filter(({ asker }) => asker !== undefined)
    return new Set(all.map(({ asker }) => asker?.session)).size === 1 ? all.at(-1) : undefined
  }
  client.setRequestHandler("elicitation/create", ({ params }, { mcpReq }) => ask(params, whose(), mcpReq.signal))

  /** One call, with the rounds in which the server wants to know something first. */
  const inRounds = async (call: Call, first: Params, options: CallToolRequestOptions): Promise<CallToolResult> => {
    let params = first
    let hasOpened = false
    const { signal } = call.ended
    for (let round = 0; round < maxRounds; round++) {
      try {
        // oxlint-disable-next-line eslint/no-await-in-loop -- each round answers the one before
        const result: unknown = await client.callTool(params, { ...options, allowInputRequired: true })
        if (!sdk.isInputRequiredResult(result)) return result as CallToolResult
        const responses: Record<string, ElicitResult> = {}
        for (const [key, { method, params }] of Object.entries(result.inputRequests ?? {}).slice(0, maxOfRound)) {
          if (method !== "elicitation/create") {
            throw new sdk.SdkError(sdk.SdkErrorCode.InvalidResult, "Unknown question")
          }
          // oxlint-disable-next-line eslint/no-await-in-loop -- a person is asked one question after the other
          responses[key] = await ask(params, call, signal)
        }
        const { requestState } = result
        params = {
          ...first,
          ...(Object.keys(responses).length > 0 && { inputResponses: responses }),
          ...(requestState !== undefined && { requestState })
        }
      } catch (error) {
        // The server has not begun: it wants a person to open an address before.
        if (hasOpened || !(error instanceof sdk.UrlElicitationRequiredError)) throw error
        hasOpened = true
        for (const one of error.elicitations.slice(0, maxOfRound)) {
          // oxlint-disable-next-line eslint/no-await-in-loop -- a person is asked one question after the other
          const { action } = await ask({ ...one, mode: "url" }, call, signal)
          if (action !== "accept") throw error
        }
      }
    }
    throw new sdk.SdkError(sdk.SdkErrorCode.InvalidResult, "It asks without end")
  }

  /** Fails when the server takes too long. */
  const overdue = (call: Call, millis: number): Effect.Effect<never, McpFailed> =>
    Effect.gen(function*() {
      for (;;) {
        const now = spent(call)
        const left = Math.min(millis - (now - call.progressed), millis * maxProgress - now)
        if (left <= 0 && call.open === 0) return yield* timedOut
        yield* Effect.sleep(Duration.millis(Math.max(left, shortest)))
      }
    })

  /** `asked` runs what it is given with a signal that ends with the caller's interest. */
  return <E>(
    params: Params,
    { asker, options, timeout }: {
      readonly asker: McpAsker | undefined
      readonly options: CallToolRequestOptions
      readonly timeout: Duration.Duration
    },
    asked: (run: (signal: AbortSignal) => Promise<CallToolResult>) => Effect.Effect<CallToolResult, E>
  ): Effect.Effect<CallToolResult, E | McpFailed> =>
    Effect.acquireUseRelease(
      Effect.map(monotonicMillis, (begun) => {
        const call: Call = {
          asker,
          ended: new AbortController(),
          begun,
          asked: 0,
          open: 0,
          openSince: 0,
          waited: 0,
          progressed: 0
        }
        calls.add(call)
        return call
      }),
      (call) =>
        Effect.raceFirst(
          asked((signal) =>
            inRounds(call, params, {
              ...options,
              signal,
              timeout: noTimeout,
              onprogress: () => {
                call.progressed = spent(call)
              }
            })
          ),
          overdue(call, Duration.toMillis(timeout))
        ),
      // Whoever is asked for it need not answer any more.
      (call) =>
        Effect.sync(() => {
          calls.delete(call)
          call.ended.abort()
        })
    )
})
