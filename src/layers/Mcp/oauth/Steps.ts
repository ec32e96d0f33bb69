/** Steps with an authorization server, within a time. What it says is not repeated, but for the code of its refusal. */
import { Effect } from "effect"
import { McpFailed } from "../../../services/Mcp.ts"
import { Outbound, OutboundRefused } from "../../../services/Outbound.ts"
import * as Client from "../Client.ts"
import * as OAuth from "./OAuth.ts"

/** Longest time for all the requests of one step. */
const timeout = "25 seconds"

export const failed = (message: string): McpFailed => new McpFailed({ problem: "authorization", message })

const refused = failed("The authorization server refused the request.")

const another = failed(
  "The server names another authorization server than the one that its client belongs to. Add it anew, and name the right one as `issuer`."
)

export const make = Effect.gen(function*() {
  const outbound = yield* Outbound

  /** Fails with `over` when a person has to allow it again. */
  const step = <A>(doing: (flow: OAuth.OAuth) => Promise<A>): Effect.Effect<A, McpFailed | "over"> =>
    Effect.flatMap(Client.load, (sdk) =>
      Effect.tryPromise({
        try: () => doing(OAuth.make(sdk, outbound)),
        catch: (error): McpFailed | "over" => {
          if (OAuth.isOver(sdk, error)) return "over"
          const chain = [error, error instanceof Error ? error.cause : undefined]
          const refusal = chain.find((one) => one instanceof OutboundRefused)
          if (refusal?.code === "address_not_allowed") return Client.failedWith("config")
          if (error instanceof sdk.AuthorizationServerMismatchError) return another
          return error instanceof TypeError || sdk.OAuthError.isInstance(error)
            ? failed("The authorization server cannot be reached, or does not answer as one.")
            : failed("The authorization server's answer does not fit the server, or cannot be understood.")
        }
      }).pipe(Effect.timeoutFail({
        duration: timeout,
        onTimeout: () => failed("The authorization server did not answer in time.")
      })))

  return {
    step,
    /** A step that there is nothing to allow again for. */
    stepOrRefused: <A>(doing: (flow: OAuth.OAuth) => Promise<A>): Effect.Effect<A, McpFailed> =>
      Effect.mapError(step(doing), (error) => error === "over" ? refused : error)
  }
})

export type Steps = Effect.Effect.Success<typeof make>
