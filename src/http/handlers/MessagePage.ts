/** The page of a transcript that a request asks for. */
import { Effect } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import { MessageId, type SessionId } from "../../domain/Ids.ts"
import { cursorOfPlace, placeOfCursor, type TranscriptPlace } from "../../domain/Page.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import type { TranscriptRequest } from "../api/Messages.ts"
import * as MySession from "./MySession.ts"

/** Two places in one request would contradict each other. */
const twoPlaces = (name: string) =>
  new Invalid({
    detail: "A page has one place: send before, offset or cursor, and leave the others out.",
    errors: [{ path: name, message: "Another parameter names the place already." }]
  })

/** Where the page is; undefined for the end of the transcript. */
const placeIn = Effect.fnUntraced(
  function*({ before, cursor, offset }: Pick<TranscriptRequest, "before" | "cursor" | "offset">) {
    const [, second] = Object.entries({ cursor, before, offset }).filter(([, value]) => value !== undefined)
    if (second !== undefined) return yield* twoPlaces(second[0])
    if (cursor !== undefined) return yield* placeOfCursor(cursor)
    const place: TranscriptPlace | undefined = before === undefined
      ? offset === undefined ? undefined : { offset }
      : { before }
    return place
  }
)

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const mine = yield* MySession.make

  return Effect.fnUntraced(function*(session_id: SessionId, { agent_id, limit, ...asked }: TranscriptRequest) {
    const session = yield* mine(session_id, agent_id)
    const place = yield* placeIn(asked)
    if (place !== undefined && "offset" in place) {
      const page = yield* hub.messages(session, { offset: place.offset, limit })
      const next = place.offset + page.messages.length
      return { ...page, next_cursor: page.has_more ? cursorOfPlace({ offset: next }) : null }
    }
    const before = place && MessageId.make(place.before)
    const page = yield* hub.newest(session, { before, limit })
    const [oldest] = page.messages
    const next_cursor = page.has_more && oldest !== undefined ? cursorOfPlace({ before: oldest.id }) : null
    return { ...page, next_cursor }
  })
})
