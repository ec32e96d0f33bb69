import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { Hubs } from "../../services/Hubs.ts"
import { Api } from "../Api.ts"
import { asker } from "./Asker.ts"

export const layer = HttpApiBuilder.group(Api, "hubs", (handlers) =>
  Effect.map(Hubs, (hubs) =>
    handlers
      .handle("skillCards", ({ path, urlParams }) => hubs.skills(path.hub_id, urlParams))
      .handle("skillCard", ({ path }) => hubs.skill(path.hub_id, path.card_id))
      .handle("installSkill", ({ path, urlParams }) =>
        Effect.flatMap(asker, (asker) => hubs.installSkill(asker, path.hub_id, path.card_id, urlParams.name)))
      .handle("mcpCards", ({ path, urlParams }) =>
        hubs.servers(path.hub_id, urlParams))
      .handle("mcpCard", ({ path }) => hubs.server(path.hub_id, path.card_id))
      .handle("installMcp", ({ path, payload }) =>
        Effect.flatMap(asker, (asker) =>
          hubs.installServer(
            asker,
            path.hub_id,
            path.card_id,
            payload.name ?? undefined,
            payload.values ?? {}
          )))))

export const lists = HttpApiBuilder.group(
  Api,
  "hubLists",
  (handlers) => Effect.map(Hubs, ({ list }) => handlers.handle("skillHubs", () => list).handle("mcpHubs", () => list))
)
