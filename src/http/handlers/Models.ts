import { HttpApiBuilder } from "@effect/platform"
import { Effect } from "effect"
import { Models } from "../../services/Models.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "models",
  (handlers) =>
    Effect.map(
      Models,
      ({ cards }) =>
        handlers.handle("list", ({ urlParams }) =>
          Effect.map(cards(urlParams.provider), (models) => ({ models, total: models.length })))
    )
)
