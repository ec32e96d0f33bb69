/**
 * Ids of items: `msg_<home><id in it>`. The home is a session or a conversation, and stands in them because clients name an
 * item by its id alone, and expect that whoever answers next knows it.
 */
import { Effect, Option } from "effect"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Session } from "../../../../domain/Session.ts"
import { Storage } from "../../../../services/Storage.ts"
import * as Heads from "../place/Heads.ts"

export type Kind = "msg" | "rs" | "fc" | "mcp" | "ig" | "mcpr" | "fco" | "mcpa"

export const itemId = (kind: Kind, home: string, id: string): string => `${kind}_${home}${id}`

const shape = /^([a-z]{2,4})_([0-9a-f]{32})([\x21-\x7e]{1,256})$/

/** What such an id is made of; undefined for one that is not ours. */
export const readItemId = (
  id: string
): { readonly kind: string; readonly home: string; readonly id: string } | undefined => {
  const [, kind, home, own] = shape.exec(id) ?? []
  return kind === undefined || home === undefined || own === undefined ? undefined : { kind, home, id: own }
}

export const conversationPrefix = "conv_"

export const homeOf = (conversation: string): string => conversation.slice(conversationPrefix.length)

/** The session at home there, if it is the owner's. */
export const sessionAt = Effect.map(
  Effect.all([Storage, Heads.make]),
  ([{ sessions }, heads]) => (owner: UserId, home: string) => {
    const direct: Effect.Effect<Option.Option<Session>> = Effect.option(sessions.get(owner, home))
    return Effect.flatMap(direct, (found) =>
      Option.isSome(found) ? Effect.succeed(found) : Effect.option(
        Effect.flatMap(
          heads.get(owner, `${conversationPrefix}${home}`),
          ({ session_id }) => sessions.get(owner, session_id)
        )
      ))
  }
)
