import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { McpServerFailed } from "../../domain/McpServer.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Mcp, type McpFailed } from "../../services/Mcp.ts"
import { Api } from "../Api.ts"
import { callback } from "../McpPages.ts"
import { asker } from "./Asker.ts"
import * as MySession from "./MySession.ts"

const told = ({ message, problem }: McpFailed) => new McpServerFailed({ code: `mcp_${problem}`, detail: message })

export const layer = HttpApiBuilder.group(Api, "mcpServers", (handlers) =>
  Effect.gen(function*() {
    const mcp = yield* Mcp
    const placeOf = yield* MySession.places

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
      .handle(
        "authorize",
        Effect.fnUntraced(function*({ path, urlParams }) {
          const { of, owner } = yield* placeOf(urlParams)
          return yield* Effect.catchTag(
            mcp.authorize(owner, of, path.mcp_name, yield* callback),
            "McpFailed",
            (failure) =>
              told(failure)
          )
        })
      )
      .handle(
        "authorizeInLibrary",
        Effect.fnUntraced(function*({ path }) {
          const { user_id } = yield* CurrentPrincipal
          return yield* Effect.catchTag(
            mcp.authorizeInLibrary(user_id, path.mcp_id, yield* callback),
            "McpFailed",
            (failure) =>
              told(failure)
          )
        })
      )
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
