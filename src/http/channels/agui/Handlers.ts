import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Layer } from "effect"
import { Malformed, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import type { Options } from "../Channel.ts"
import { keyOf } from "../Keys.ts"
import type { api } from "./Api.ts"
import * as Attach from "./Attach.ts"
import { capabilitiesOf } from "./Capabilities.ts"
import type { RunAgentInput } from "./Requests.ts"
import * as Runs from "./Runs.ts"
import * as Target from "./Target.ts"

type Api = typeof api

type Headers = Parameters<typeof keyOf>[1]

const malformed = new Malformed({
  code: "invalid_thread_id",
  detail: "threadId must be 1 to 256 printable ASCII characters without blanks at its ends."
})

export const layer = (api: Api, options: Options) => {
  const keyIn = (threadId: string, headers: Headers) =>
    Effect.mapError(
      Effect.filterOrFail(keyOf(threadId, headers, options.trusted), (key) => key !== undefined, () => malformed),
      () => malformed
    )

  const runs = HttpApiBuilder.group(api, "runs", (handlers) =>
    Effect.gen(function*() {
      const target = yield* Target.make(options)
      const run = yield* Runs.make(options)

      const running = (
        named: string | undefined,
        headers: Headers & { readonly "idempotency-key"?: string | undefined },
        payload: RunAgentInput
      ) =>
        Effect.gen(function*() {
          const { user_id: owner } = yield* CurrentPrincipal
          const agent = yield* target(owner, named)
          const key = yield* keyIn(payload.threadId, headers)
          return yield* run({ owner, agent, key, payload, idempotencyKey: headers["idempotency-key"] })
        })

      return handlers
        .handle("run", ({ headers, payload }) => running(undefined, headers, payload))
        .handle("runAgent", ({ headers, path, payload }) => running(path.agent_id, headers, payload))
        .handle(
          "capabilities",
          Effect.fnUntraced(function*({ path }) {
            const { user_id: owner } = yield* CurrentPrincipal
            return capabilitiesOf(yield* target(owner, path.agent_id))
          })
        )
    }))

  const threads = HttpApiBuilder.group(api, "threads", (handlers) =>
    Effect.gen(function*() {
      const hub = yield* SessionHub
      const keys = yield* SessionKeys
      const attach = yield* Attach.make

      const sessionOf = Effect.fnUntraced(function*(owner: UserId, threadId: string, headers: Headers) {
        const nothing = NotFound.of("Thread", threadId.slice(0, 256))
        const key = yield* Effect.mapError(keyIn(threadId, headers), () => nothing)
        return (yield* keys.find({ owner, channel: options.name, key })) ?? (yield* nothing)
      })

      return handlers
        .handle(
          "stream",
          Effect.fnUntraced(function*({ headers, path: { thread_id }, urlParams }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const session = yield* sessionOf(owner, thread_id, headers)
            return yield* attach({ session, threadId: thread_id, ...urlParams })
          })
        )
        .handle(
          "cancel",
          Effect.fnUntraced(function*({ headers, path: { thread_id } }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const session = yield* sessionOf(owner, thread_id, headers)
            yield* hub.interrupt(session, "drop")
            return { threadId: thread_id, status: "cancelled" as const }
          })
        )
    }))

  return Layer.mergeAll(runs, threads)
}
