/** Which agent answers, and which an owner has published here. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import type { Options } from "../Channel.ts"

const unnamed = new Invalid({
  code: "agent_missing",
  detail: "No agent is named. Send to the address of one agent, below /agents/, or name one by metadata.agent; "
    + "GET /extendedAgentCard lists them."
})

export const make = ({ agent: standing, name: channel }: Options) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const own = yield* OwnAgents

    const published = (owner: UserId): Effect.Effect<ReadonlyArray<Agent>> =>
      Effect.zipRight(
        own.ensure(owner),
        Effect.map(
          Effect.orDie(everything((page) => agents.list(owner, page))),
          (all) => all.filter(({ data }) => isPublished(data.channels, channel))
        )
      )

    /** By id or by name; a name that several have is nobody's. */
    const named = Effect.fnUntraced(function*(owner: UserId, name: string) {
      const byId = yield* Effect.option(agents.get(owner, name))
      if (byId._tag === "Some" && isPublished(byId.value.data.channels, channel)) return byId.value
      const [found, other] = (yield* published(owner)).filter(({ data }) => data.name === name)
      return found !== undefined && other === undefined
        ? found
        : yield* NotFound.of("Agent", name.slice(0, 256))
    })

    return {
      published,
      named,
      /** Where the address names nobody: what the request says, the settings, or the only one that there is. */
      standing: Effect.fnUntraced(function*(owner: UserId, asked: unknown) {
        if (typeof asked === "string" && asked !== "") return yield* named(owner, asked)
        const fallback = standing ?? own.only(owner)
        if (fallback !== undefined) return yield* named(owner, fallback)
        const [only, other] = yield* published(owner)
        return only !== undefined && other === undefined ? only : yield* unnamed
      })
    }
  })
