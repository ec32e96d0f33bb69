/** Who answers: the agent of the path, or the one that the settings name, or the only one that the server's program brings. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import { quoted } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"

/** Most ids that a refusal names. */
const maxNamed = 5

const unnamed = (mount: string) =>
  new Invalid({
    code: "agent_missing",
    detail: `No agent is named. Use ${mount}/agents/{name or id}, or let channels.ag_ui.agent of the settings name one.`
  })

export const make = ({ agent: standing, mount, name: channel }: Options) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const own = yield* OwnAgents

    return Effect.fnUntraced(function*(owner: UserId, given: string | undefined) {
      yield* own.ensure(owner)
      const name = given ?? standing ?? own.only(owner)
      if (name === undefined) return yield* unnamed(mount)
      const byId = yield* Effect.option(agents.get(owner, name))
      if (byId._tag === "Some" && isPublished(byId.value.data.channels, channel)) return byId.value
      const found: ReadonlyArray<Agent> = yield* Effect.orDie(everything((page) =>
        Effect.map(agents.list(owner, page), ({ items, ...rest }) => ({
          ...rest,
          items: items.filter(({ data }) => data.name === name && isPublished(data.channels, channel))
        }))
      ))
      const [only, ...others] = found
      if (only === undefined) {
        return yield* NotFound.of("Agent", name.slice(0, 256))
      }
      if (others.length === 0) {
        return only
      }
      return yield* new Invalid({
        code: "agent_ambiguous",
        detail: `${quoted(name)} could be any of ${
          found.slice(0, maxNamed).map(({ id }) => id).join(", ")
        }: name one of these.`
      })
    })
  })
