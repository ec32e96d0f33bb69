/** Agents elsewhere, in Storage, reached through the guard of outgoing requests. */
import { Duration, Effect, Layer } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import { remoteToolOf } from "../../domain/RemoteAgent.ts"
import type { Settings } from "../../domain/Settings.ts"
import type { Outbound } from "../../services/Outbound.ts"
import { RemoteAgents } from "../../services/RemoteAgents.ts"
import type { Storage } from "../../services/Storage.ts"
import type { Vault } from "../../services/Vault.ts"
import { failed } from "./Answers.ts"
import * as Calling from "./Calling.ts"
import * as Registry from "./Registry.ts"

/** The part of a tool's time for which it waits: the rest is for telling what came of it. */
const share = 0.9

/** Calls that are under way at once, of one owner and of all. Agents that call each other in a circle come to an end by it. */
const mostOfOwner = 16
const most = 256

export type Options = Pick<Settings, "tool_seconds">

export const make = Effect.fnUntraced(function*({ tool_seconds }: Options) {
  const registry = yield* Registry.make
  const calling = yield* Calling.make
  const patience = Duration.seconds(tool_seconds * share)
  const open = new Map<UserId, number>()
  let all = 0

  const count = (owner: UserId, by: number) =>
    Effect.sync(() => {
      all += by
      const mine = (open.get(owner) ?? 0) + by
      if (mine > 0) open.set(owner, mine)
      else open.delete(owner)
    })

  const { add, get, list, remove } = registry
  return RemoteAgents.of({
    add,
    get,
    list,
    remove,
    all: registry.all,
    call: Effect.fnUntraced(function*({ run, session }, request) {
      const owner = session.user_id
      const agent = (yield* registry.all(owner)).find((one) => remoteToolOf(one) === request.tool)
      if (agent === undefined || run === undefined) return undefined
      return yield* Effect.suspend(() => {
        if (all >= most || (open.get(owner) ?? 0) >= mostOfOwner) {
          return Effect.succeed(failed("Error: Too many calls of other agents are under way. Try again later."))
        }
        return Effect.acquireUseRelease(
          count(owner, 1),
          () =>
            Effect.catchAll(
              calling.call(run, session, agent, request, patience),
              ({ message }) => Effect.succeed(failed(`Error: ${message}`))
            ),
          () => count(owner, -1)
        )
      })
    })
  })
})

export const layerWith = (options: Options): Layer.Layer<RemoteAgents, never, Outbound | Storage | Vault> =>
  Layer.effect(RemoteAgents, make(options))
