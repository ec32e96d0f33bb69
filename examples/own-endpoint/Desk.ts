/** Paths of one's own, behind the same authentication as all others: one that answers with JSON, and one that streams. */
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup } from "@effect/platform"
import { Effect, Schema } from "effect"
import { CurrentPrincipal } from "../../src/domain/Principal.ts"
import * as Endpoints from "../../src/http/channels/Endpoints.ts"
import { Storage } from "../../src/services/Storage.ts"

const api = HttpApi.make("desk").add(
  HttpApiGroup.make("desk")
    .add(
      HttpApiEndpoint.get("summary", "/summary")
        .addSuccess(Schema.Struct({ owner: Schema.String, agents: Schema.Int }))
        .annotateContext(Endpoints.operation({ scope: "read", summary: "Say how many agents I have" }))
    )
    .add(
      HttpApiEndpoint.post("countdown", "/countdown")
        .setPayload(Schema.Struct({ from: Schema.Int.pipe(Schema.between(0, 100)) }))
        .addSuccess(Endpoints.EventStream)
        .annotateContext(Endpoints.operation({ scope: "chat", summary: "Count down" }))
    )
    .middleware(Endpoints.Authentication)
)

async function* countdown(from: number) {
  for (let n = from; n > 0; n--) yield { n }
  throw new Endpoints.StreamFailed({ message: "There is nothing below one." })
}

export const desk = Endpoints.make({
  name: "desk",
  title: "The desk",
  mount: "/desk",
  api,
  handlers: (api) =>
    HttpApiBuilder.group(api, "desk", (handlers) =>
      Effect.map(Storage, ({ agents }) =>
        handlers
          .handle(
            "summary",
            Effect.fnUntraced(function*() {
              const { user_id } = yield* CurrentPrincipal
              const { total } = yield* Effect.orDie(agents.list(user_id, { limit: 1, cursor: undefined }))
              return { owner: user_id, agents: total }
            })
          )
          .handle("countdown", ({ payload }) => Endpoints.stream(countdown(payload.from)))))
})
