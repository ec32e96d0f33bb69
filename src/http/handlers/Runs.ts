import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import type { RunStatus } from "../../domain/Run.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

const by = (status: RunStatus | undefined) => status === undefined ? {} : { status }

export const layer = HttpApiBuilder.group(Api, "runs", (handlers) =>
  Effect.gen(function*() {
    const { runs } = yield* Storage
    const hub = yield* SessionHub
    const mine = yield* MySession.make

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams: { status, ...page } }) {
          const { user_id } = yield* CurrentPrincipal
          const { items, ...rest } = yield* runs.list(user_id, page, by(status), "newest")
          return { runs: items, ...rest }
        })
      )
      .handle("get", ({ path }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => runs.get(user_id, path.run_id)))
      .handle(
        "cancel",
        Effect.fnUntraced(function*({ path }) {
          const { user_id } = yield* CurrentPrincipal
          const run = yield* runs.get(user_id, path.run_id)
          yield* hub.cancel(yield* mine(run.session_id), run.id)
          return { run_id: run.id }
        })
      )
      .handle(
        "ofSession",
        Effect.fnUntraced(function*({ path, urlParams: { status, ...page } }) {
          const { id: session_id, user_id } = yield* mine(path.session_id)
          const { items, ...rest } = yield* runs.list(user_id, page, { session_id, ...by(status) }, "newest")
          return { runs: items, ...rest }
        })
      )
  }))
