/**
 * What a request wants, by comparing what its client has with what the log has. The log is the truth: what a client has lost or
 * changed by itself changes nothing. Only an edit or a wish for another reply, which the client says, leaves the log's path.
 */
import { Either } from "effect"
import type { Invalid } from "../../../domain/Errors.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { ChatBody, UiMessage } from "./Requests.ts"

/** A message of the request, with its place there. */
export interface Placed {
  readonly message: UiMessage
  readonly at: string
}

export type Plan =
  /** The last message answers what a run waits for. */
  | { readonly type: "answer"; readonly message: UiMessage }
  /** New words, behind all that the log has. */
  | { readonly type: "append"; readonly input: ReadonlyArray<Placed> }
  /** The chat goes on from before this message of the log, by its client's id. */
  | { readonly type: "branch"; readonly before: string; readonly input: ReadonlyArray<Placed> }
  /** The log has nothing yet: what the client has said before is the beginning. */
  | { readonly type: "begin"; readonly history: ReadonlyArray<Placed>; readonly input: ReadonlyArray<Placed> }
  /** Nothing that the log does not have. */
  | { readonly type: "nothing" }

type Asked = Pick<ChatBody, "messageId" | "messages" | "trigger">

const notTheUsers = refuse("invalid", "messages", "Expected the last message to be the user's")

/** `isKnown` says whether the log has a message, by its client's id; `isEmpty` that the log has none at all. */
export const planOf = (
  { messageId, messages, trigger }: Asked,
  { isEmpty, isKnown }: { readonly isEmpty: boolean; readonly isKnown: (id: string) => boolean }
): Either.Either<Plan, Invalid> => {
  const placed = messages.map((message, i): Placed => ({ message, at: `messages.${i}` }))
    .filter(({ message }) => message.role !== "system")
  const last = placed.at(-1)
  if (last === undefined) return Either.left(notTheUsers)
  if (last.message.role === "assistant") {
    return trigger === "regenerate-message"
      ? Either.left(notTheUsers)
      : Either.right({ type: "answer", message: last.message })
  }
  const split = placed.findLastIndex(({ message }) => message.role === "assistant") + 1
  const words = placed.slice(split)
  if (isEmpty) return Either.right({ type: "begin", history: placed.slice(0, split), input: words })
  if (trigger === "regenerate-message" && isKnown(last.message.id)) {
    return Either.right({ type: "branch", before: last.message.id, input: [last] })
  }
  const edited = messageId == null ? -1 : words.findIndex(({ message }) => message.id === messageId)
  if (edited >= 0 && isKnown(messageId!)) {
    return Either.right({ type: "branch", before: messageId!, input: words.slice(edited) })
  }
  const known = words.findLastIndex(({ message }) => isKnown(message.id)) + 1
  const input = words.slice(known)
  return Either.right(input.length === 0 ? { type: "nothing" } : { type: "append", input })
}
