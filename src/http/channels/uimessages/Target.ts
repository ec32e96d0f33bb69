/** Who answers: the agent that the request names, the one of the chat so far, the one of the settings, or the only one of the server's program. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { AgentId, UserId } from "../../../domain/Ids.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import type { Options } from "../Channel.ts"
import * as Targets from "../openai/Targets.ts"

/** Most characters of a name that an error repeats. */
const maxShown = 256

const unnamed = (channel: string) =>
  new Invalid({
    code: "agent_missing",
    detail: `No agent is named. Name one by the field agent; or let channels.${channel}.agent of the settings name `
      + "the one that answers.",
    errors: [{ path: "agent", message: "is missing" }]
  })

export const make = (options: Options) =>
  Effect.gen(function*() {
    const { agents } = yield* Storage
    const own = yield* OwnAgents
    const { find } = yield* Targets.make(options)

    return Effect.fnUntraced(function*(owner: UserId, given: string | null | undefined, chats: AgentId | undefined) {
      if (given == null && chats !== undefined) {
        const agent = yield* Effect.mapError(agents.get(owner, chats), () => NotFound.of("Agent", chats))
        return isPublished(agent.data.channels, options.name) ? agent : yield* NotFound.of("Agent", chats)
      }
      yield* own.ensure(owner)
      const name = given ?? options.agent ?? own.only(owner)
      if (name === undefined) return yield* unnamed(options.name)
      const target = yield* Effect.catchTag(find(owner, `agent/${name}`), "NotFound", () =>
        NotFound.of("Agent", name.slice(0, maxShown)))
      return (target as { readonly agent: Agent }).agent
    })
  })
