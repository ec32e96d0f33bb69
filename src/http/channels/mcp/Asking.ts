/**
 * What a request brings to the handlers of the official SDK, which knows nothing of it: who asks, how work is done for
 * it, and what becomes of that work when it is left.
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as Official from "@modelcontextprotocol/server"
import type { AuthInfo, Server, ServerContext } from "@modelcontextprotocol/server"
import type { Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import type { CurrentPrincipal } from "../../../domain/Principal.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Problem } from "../../middleware/Problems.ts"
import type { keyHeaders } from "../Keys.ts"

/** The SDK is loaded when the first request comes. */
export type Sdk = typeof Official

export type Context = CurrentPrincipal | HttpServerRequest.HttpServerRequest

/** A stream that was cut, and that another request goes on with. */
export interface Resumed {
  readonly run: Run
  /** How much progress the client has been told of. */
  readonly told: number
}

export interface Asking {
  readonly owner: UserId
  /** The revision that streams its questions, and its results, over one connection; the newest one asks by a result. */
  readonly isOlder: boolean
  /** The address of this server. */
  readonly base: string
  readonly headers: { readonly [Name in keyof typeof keyHeaders]?: string | undefined } & {
    readonly "idempotency-key"?: string | undefined
  }
  /** Does the work; what it fails with becomes an error of the protocol. The signal of the handler ends it. */
  readonly run: <A>(work: Effect.Effect<A, Problem, Context>, signal: AbortSignal) => Promise<A>
  /** Whether work that was ended is not wanted any more; else it goes on without whoever asked. */
  readonly isUnwanted: () => boolean
  /** From now on the answer can be had again. */
  readonly accepted: (run_id: Run["id"]) => void
  readonly resumed: Resumed | undefined
}

/** Makes what answers one request: tools, resources, prompts. */
export type Contents<R> = Effect.Effect<(sdk: Sdk) => Server, never, R>

const place = "stoa"

export const authInfo = (asking: Asking): AuthInfo => ({
  token: "",
  clientId: asking.owner,
  scopes: [],
  extra: { [place]: asking }
})

export const askingOf = ({ http }: Pick<ServerContext, "http">): Asking => {
  const asking = http?.authInfo?.extra?.[place]
  if (asking === undefined) throw new TypeError("The request came to the MCP server by another way than its channel.")
  return asking as Asking
}
