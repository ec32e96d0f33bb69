/** From a stored server to a connection: opens its secrets, chooses how to speak, and asks which protocol it knows. */
import { Duration, Effect, ExecutionStrategy, Exit, Schema, Scope } from "effect"
import { elicitationMillis } from "../../domain/Elicitation.ts"
import type { UserId } from "../../domain/Ids.ts"
import { McpSecrets, type StoredMcpConfig } from "../../domain/McpConfig.ts"
import type { McpServer } from "../../domain/McpServer.ts"
import { McpFailed } from "../../services/Mcp.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Vault } from "../../services/Vault.ts"
import { Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import { veilOf } from "../Veil.ts"
import { maxProgress } from "./Calls.ts"
import * as Client from "./Client.ts"
import * as Http from "./Http.ts"
import type { Authorizations } from "./oauth/Authorizations.ts"
import * as Stdio from "./Stdio.ts"

/** Usual and longest time for one call. */
const usualTimeout = Duration.seconds(60)

/** How much longer a request over HTTP may stay open than the longest call: people may be asked something meanwhile. */
const grace = Duration.millis(2 * elicitationMillis)

const Secrets = Schema.parseJson(McpSecrets)

export const sealedFor = ({ id, user_id }: Pick<McpServer, "id" | "user_id">) => ({
  owner: user_id,
  record: `mcp_servers/${id}`
})

export const sealedOf = (secrets: McpSecrets): string => Schema.encodeSync(Secrets)(secrets)

const unreadable = new McpFailed({
  problem: "config",
  message: "The server's stored secrets cannot be opened with this server's key: add it again."
})

/** Longest time for one call. */
export const timeoutOf = ({ config, execution_timeout }: McpServer): Duration.Duration => {
  const ofConfig = config?.type === "http_mcp" ? config.timeout : null
  const seconds = execution_timeout ?? ofConfig
  return seconds === null ? usualTimeout : Duration.seconds(seconds)
}

export const make = Effect.fnUntraced(function*(authorizations: Authorizations) {
  const outbound = yield* Outbound
  const vault = yield* Vault
  const workspaces = yield* Workspace

  const secretsOf = (server: McpServer): Effect.Effect<McpSecrets, McpFailed> =>
    server.sealed === null
      ? Effect.succeed({})
      : Effect.mapError(
        Effect.flatMap(vault.open(server.sealed, sealedFor(server)), Schema.decode(Secrets)),
        () => unreadable
      )

  const speak = (
    server: McpServer,
    config: StoredMcpConfig,
    secrets: McpSecrets,
    owner: UserId,
    of: WorkspaceOf | undefined,
    mode: "auto" | "legacy"
  ): Effect.Effect<Client.Connection, McpFailed, Scope.Scope> =>
    Effect.gen(function*() {
      const { client_secret = "", env = {}, headers = {}, url } = secrets
      const sdk = yield* Client.load
      const query = url !== undefined && URL.canParse(url) ? [...new URL(url).searchParams.values()] : []
      // Behind the scheme of a header stands the secret itself.
      const ofHeaders = Object.values(headers).flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)])
      const hidden = [...ofHeaders, ...query, ...Object.values(env), client_secret]
      if (config.type === "http_mcp") {
        const address = url ?? config.origin
        if (outbound.forbids(address)) return yield* Client.failedWith("config")
        const tokens = yield* authorizations.tokens(owner, server, secrets)
        const veil = tokens === undefined
          ? veilOf(hidden)
          : (text: string) => veilOf([...hidden, ...tokens.secrets()])(text)
        const longest = Duration.toMillis(timeoutOf(server)) * maxProgress + Duration.toMillis(grace)
        const { farewell, transport } = Http.make(sdk, outbound, {
          url: address,
          headers,
          longest,
          listens: server.is_stateful,
          tokens
        })
        return yield* Client.make({
          sdk,
          transport,
          farewell,
          isProgram: false,
          hasTokens: tokens !== undefined,
          veil,
          ended: () => undefined,
          mode
        })
      }
      if (of === undefined) {
        return yield* new McpFailed({
          problem: "config",
          message: "The server is a program: name a session, in whose workspace it can be run."
        })
      }
      const toFailure = ({ detail }: { readonly detail: string }) =>
        new McpFailed({ problem: "config", message: detail })
      const workspace = yield* Effect.mapError(workspaces.open(owner, of), toFailure)
      const { ended, transport } = yield* Effect.mapError(
        Stdio.make(sdk, workspace, {
          command: [config.command, ...config.args],
          env,
          cwd: config.cwd ?? undefined
        }),
        toFailure
      )
      return yield* Client.make({
        sdk,
        transport,
        isProgram: true,
        root: workspace.root,
        veil: veilOf(hidden),
        ended,
        mode
      })
    })

  /** What an attempt has opened is closed when it fails. */
  const attempt = <A>(doing: Effect.Effect<A, McpFailed, Scope.Scope>): Effect.Effect<A, McpFailed, Scope.Scope> =>
    Effect.flatMap(
      Effect.scope,
      (outer) =>
        Effect.flatMap(
          Scope.fork(outer, ExecutionStrategy.sequential),
          (inner) => Effect.onError(Scope.extend(doing, inner), () => Scope.close(inner, Exit.void))
        )
    )

  /**
   * Connects a server on behalf of an owner; a program is run in the workspace. Some servers end, or answer with
   * nonsense, when they are asked for the newest protocol: they are asked for the one before.
   */
  const open = (
    server: McpServer,
    owner: UserId,
    of: WorkspaceOf | undefined
  ): Effect.Effect<Client.Connection, McpFailed, Scope.Scope> =>
    Effect.gen(function*() {
      const { config } = server
      if (config === null) return yield* Client.failedWith("config")
      const secrets = yield* secretsOf(server)
      const inMode = (mode: "auto" | "legacy") => attempt(speak(server, config, secrets, owner, of, mode))
      return yield* Effect.catchIf(
        inMode("auto"),
        ({ problem }) => problem === "connection" || problem === "protocol",
        () => inMode("legacy")
      )
    }).pipe(Effect.timeoutFail({
      duration: Client.connectTimeout,
      onTimeout: () => Client.failedWith("timeout")
    }))
  return { open, secretsOf }
})

export type Connect = Effect.Effect.Success<ReturnType<typeof make>>
