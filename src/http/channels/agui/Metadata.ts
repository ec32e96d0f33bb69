/** What a user's message keeps of its client's: its id there, and the state that came with it. */
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import type { Message } from "../../../domain/Message.ts"
import { ownOf } from "./State.ts"

const name = "ag_ui"

/** Longest state that is kept, as JSON, in characters. A longer one is its client's to remember. */
const maxKept = 16 * 1024

export const metadataOf = (id: string, state: unknown): JsonObject => {
  const own = ownOf(state)
  const isKept = Object.keys(own).length > 0 && JSON.stringify(own).length <= maxKept
  return { [name]: { id, ...(isKept && { state: own }) } }
}

const keptIn = ({ metadata }: Pick<Message, "metadata">): JsonObject => {
  const kept = metadata[name]
  return isObject(kept) ? kept : {}
}

/** As the client knows the message; our id where it did not come through this protocol. */
export const idAtClient = (message: Message): string => {
  const { id } = keptIn(message)
  return typeof id === "string" ? id : message.id
}

/** The state that came with the message, if it brought one. */
export const stateIn = (message: Pick<Message, "metadata">): unknown => keptIn(message)["state"]
