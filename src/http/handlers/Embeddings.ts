import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { type Embedded, Models } from "../../services/Models.ts"
import { Api } from "../Api.ts"
import { asProblem } from "./ModelFailures.ts"

/** How many numbers are written before other requests are served. */
const batch = 32_768

/** The answer's JSON, written a few vectors at a time: a million numbers at once take a second of everybody's. */
const written = ({ embeddings, usage }: Embedded, model: string): Effect.Effect<string> => {
  const parts: Array<string> = []
  const from = (start: number): Effect.Effect<void> =>
    Effect.suspend(() => {
      let numbers = 0
      let at = start
      for (; at < embeddings.length && numbers < batch; at++) {
        parts.push(JSON.stringify(embeddings[at]))
        numbers += embeddings[at]!.length
      }
      return at < embeddings.length ? Effect.zipRight(Effect.sleep(0), from(at)) : Effect.void
    })
  return Effect.map(
    from(0),
    () => `{"embeddings":[${parts.join(",")}],"model":${JSON.stringify(model)},"usage":${JSON.stringify(usage)}}`
  )
}

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
          return HttpServerResponse.text(yield* written(answer, config.model), { contentType: "application/json" })
        })
      ))
)
