/** Agents elsewhere that an owner has named. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { RemoteAgents } from "../../../services/RemoteAgents.ts"
import type { api } from "./Api.ts"

export const layer = (mounted: typeof api) =>
  HttpApiBuilder.group(
    mounted,
    "registry",
    (handlers) =>
      Effect.map(RemoteAgents, ({ add, get, list, remove }) =>
        handlers
          .handle("register", ({ payload }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => add(user_id, payload)))
          .handle(
            "registered",
            () => Effect.flatMap(CurrentPrincipal, ({ user_id }) => Effect.map(list(user_id), (agents) => ({ agents })))
          )
          .handle("one", ({ path }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => get(user_id, path.registered)))
          .handle(
            "forget",
            ({ path }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => remove(user_id, path.registered))
          ))
  )
