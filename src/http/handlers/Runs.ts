import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { Accepted } from "../../domain/Chat.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { RunHistory } from "../../services/RunHistory.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import { note } from "../LogNotes.ts"
import * as MySession from "./MySession.ts"

export const layer = HttpApiBuilder.group(Api, "runs", (handlers) =>
  Effect.gen(function*() {
    const { runs } = yield* Storage
    const history = yield* RunHistory
    const hub = yield* SessionHub
    const { once } = yield* Idempotency
    const mine = yield* MySession.make
    const owner = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { items, ...rest } = yield* history.list(yield* owner, urlParams)
          return { runs: items, ...rest }
        })
      )
      .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => runs.get(user_id, path.run_id)))
      .handle(
        "timeline",
        // Written as it is: its schema has nothing to change in it, and checking thousands of steps would take long.
        ({ path }) =>
          Effect.map(
            Effect.flatMap(owner, (user_id) => history.timeline(user_id, path.run_id)),
            (timeline) => HttpServerResponse.unsafeJson(timeline)
          )
      )
      .handle(
        "cancel",
        Effect.fnUntraced(function*({ path }) {
          const run = yield* runs.get(yield* owner, path.run_id)
          yield* hub.cancel(yield* mine(run.session_id), run.id)
          return { run_id: run.id }
        })
      )
      .handle(
        "retry",
        Effect.fnUntraced(function*({ headers, path: { run_id } }) {
          const user_id = yield* owner
          const accepted = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: `POST /runs/${run_id}/retry`,
              body: null,
              answer: Accepted
            },
            ({ claim }) => history.retry(user_id, run_id, claim)
          )
          yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
          return HttpServerResponse.unsafeJson(accepted, {
            status: 202,
            headers: { location: `/runs/${accepted.run_id}` }
          })
        })
      )
      .handle(
        "ofSession",
        Effect.fnUntraced(function*({ path, urlParams }) {
          const { id: session_id, user_id } = yield* mine(path.session_id)
          const { items, ...rest } = yield* history.list(user_id, { ...urlParams, session_id })
          return { runs: items, ...rest }
        })
      )
  }))
