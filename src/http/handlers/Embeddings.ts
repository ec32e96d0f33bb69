import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Models } from "../../services/Models.ts"
import { Api } from "../Api.ts"
import { asProblem } from "./ModelFailures.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "embeddings",
  (handlers) =>
    Effect.map(Models, ({ embed }) =>
      handlers.handle(
        "create",
        Effect.fnUntraced(function*({ payload: { input, ...config } }) {
          const { user_id: owner } = yield* CurrentPrincipal
          const texts = typeof input === "string" ? [input] : input
          const answer = yield* Effect.catchTag(embed({ owner, config, input: texts }), "ModelFailed", asProblem)
          return { ...answer, model: config.model }
        })
      ))
)
