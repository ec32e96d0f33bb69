/** Which agents an owner has named. */
import { Clock, Effect } from "effect"
import { Conflict, Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import { RemoteAgentId, type UserId } from "../../domain/Ids.ts"
import { maxRemoteAgents, type RemoteAgent, type RemoteAgentDraft, remoteView } from "../../domain/RemoteAgent.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import * as Card from "./Card.ts"
import * as Secrets from "./Secrets.ts"

const taken = (name: string) =>
  new Conflict({
    code: "remote_agent_exists",
    detail: `There is an agent '${name}' already: give this one another name, or remove that one.`
  })

const tooMany = new LimitReached({
  code: "too_many_remote_agents",
  detail: `At most ${maxRemoteAgents} agents can be named. Remove some first.`
})

const unnamed = new Invalid({
  detail: "name: Expected a name, because the card has none that can be one.",
  errors: [{ path: "name", message: "Expected 1 to 48 letters, digits, dashes or underscores" }]
})

/** The title of a card as the name of a tool. */
const nameOf = (title: string): string =>
  title.normalize("NFKD").replaceAll(/[^A-Za-z0-9_-]+/g, "_").replace(/^_+/, "").slice(0, 48).replace(/_{1,48}$/, "")

export const make = Effect.gen(function*() {
  const { remoteAgents } = yield* Storage
  const vault = yield* Vault
  const newId = yield* NewId
  const context = yield* Effect.context<Effect.Effect.Context<ReturnType<typeof Card.read>>>()
  // Two of one name that are added at once are told apart one after the other.
  const mutex = Effect.unsafeMakeSemaphore(1)

  const all = (owner: UserId): Effect.Effect<ReadonlyArray<RemoteAgent>> =>
    Effect.map(
      Effect.orDie(remoteAgents.list(owner, { limit: maxRemoteAgents, cursor: undefined })),
      ({ items }) => items
    )

  /** Whether there is room for one more of this name. */
  const fits = (owner: UserId, name: string | undefined) =>
    Effect.flatMap(all(owner), (others): Effect.Effect<void, Conflict | LimitReached> => {
      if (name !== undefined && others.some((one) => one.name === name)) return taken(name)
      return others.length < maxRemoteAgents ? Effect.void : tooMany
    })

  const keep = Effect.fnUntraced(function*(agent: RemoteAgent) {
    yield* fits(agent.user_id, agent.name)
    return yield* remoteAgents.insert(agent).pipe(
      Effect.catchTags({ Conflict: () => taken(agent.name), NotFound: Effect.die })
    )
  }, mutex.withPermits(1))

  return {
    all,
    add: Effect.fn("RemoteAgents.add")(
      function*(owner: UserId, { headers, name: wanted, url: given }: RemoteAgentDraft) {
        // Nothing is fetched for whom nothing can be kept.
        yield* fits(owner, wanted)
        const place = Card.placeOf(given)
        const { url, ...card } = yield* Effect.provide(Card.read(place, headers), context)
        const name = wanted ?? nameOf(card.title)
        if (name === "") return yield* unnamed
        const millis = yield* Clock.currentTimeMillis
        const at = timestampOf(millis)
        const owned = { id: RemoteAgentId.make(newId.record(millis)), user_id: owner, created_at: at, updated_at: at }
        const agent: RemoteAgent = {
          ...owned,
          ...card,
          name,
          card_url: place.origin + place.pathname,
          origin: new URL(url).origin,
          headers: Object.keys(headers),
          sealed: yield* Secrets.seal(vault, owned, { url, headers })
        }
        return remoteView(yield* keep(agent))
      }
    ),
    get: (owner: UserId, id: string) =>
      Effect.mapBoth(remoteAgents.get(owner, id), {
        onFailure: () => NotFound.of("Registered agent", id.slice(0, 128)),
        onSuccess: remoteView
      }),
    list: (owner: UserId) => Effect.map(all(owner), (agents) => agents.map(remoteView)),
    remove: (owner: UserId, id: string) =>
      Effect.mapError(remoteAgents.remove(owner, id), () => NotFound.of("Registered agent", id.slice(0, 128)))
  }
})
