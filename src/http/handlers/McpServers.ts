import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import type { AgentId, SessionId } from "../../domain/Ids.ts"
import { McpServerFailed } from "../../domain/McpServer.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Mcp, type McpAsker, type McpFailed } from "../../services/Mcp.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

const asker: Effect.Effect<McpAsker, never, CurrentPrincipal> = Effect.map(
  CurrentPrincipal,
  ({ scopes, user_id }) => ({ user_id, isAdmin: scopes.includes("admin") })
)

const told = ({ message, problem }: McpFailed) => new McpServerFailed({ code: `mcp_${problem}`, detail: message })

export const layer = HttpApiBuilder.group(Api, "mcpServers", (handlers) =>
  Effect.gen(function*() {
    const mcp = yield* Mcp
    const mine = yield* MySession.make

    const placeOf = (params: { readonly session_id: SessionId; readonly agent_id?: AgentId | undefined }) =>
      Effect.map(mine(params.session_id, params.agent_id), ({ agent_id, config, user_id }) => ({
        owner: user_id,
        of: { agent_id, workspace_id: config.workspace_id }
      }))

    return handlers
      .handle("inWorkspace", ({ urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) => mcp.servers(owner, of)))
      .handle(
        "add",
        Effect.fnUntraced(function*({ payload, urlParams }) {
          const { of } = yield* placeOf(urlParams)
          yield* Effect.catchTag(mcp.add(yield* asker, of, payload), "McpFailed", (failure) =>
            told(failure))
          return null
        })
      )
      .handle("addFromLibrary", ({ payload, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          mcp.addFromLibrary(owner, of, payload.mcp_ids)))
      .handle("remove", ({ path, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          mcp.remove(owner, of, path.mcp_name)))
      .handle("refresh", ({ path, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          mcp.refresh(owner, of, path.mcp_name)))
      .handle("approve", ({ path, payload, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          mcp.approve(owner, of, path.mcp_name, payload.tools)))
      .handle("library", () =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          mcp.library(user_id)))
      .handle("addToLibrary", ({ payload }) =>
        Effect.flatMap(asker, (asker) =>
          mcp.addToLibrary(asker, payload)))
      .handle("change", ({ path, payload }) =>
        Effect.flatMap(asker, (asker) =>
          mcp.changeInLibrary(asker, path.mcp_id, payload)))
      .handle("removeFromLibrary", ({ path }) =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          mcp.removeFromLibrary(user_id, path.mcp_id)))
      .handle(
        "test",
        Effect.fnUntraced(function*({ path, urlParams: { agent_id, session_id } }) {
          const { user_id } = yield* CurrentPrincipal
          const place = session_id === undefined ? undefined : yield* placeOf({ session_id, agent_id })
          return yield* mcp.test(user_id, path.mcp_id, place?.of)
        })
      )
  }))
