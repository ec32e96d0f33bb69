/** Shows a model the newest pictures of a context, as many as its agent wants; notes take the places of the others. */
import type { Message } from "../../domain/Message.ts"
import { dataIn, note, type Piece, replaced } from "./FileBlocks.ts"

/** Messages never change, so what of each is shown is made once. The others' pictures only ever become fewer. */
const known = new WeakMap<Message, { readonly shown: number; readonly message: Message }>()

const picturesIn = ({ content }: Message) =>
  content.flatMap(dataIn).filter(({ source }) => source.media_type.toLowerCase().startsWith("image/"))

/** The messages themselves where there is no limit, or where no more pictures are than may be. */
export const newest = (messages: ReadonlyArray<Message>, most: number | null): ReadonlyArray<Message> => {
  if (most === null) return messages
  let left = most
  return messages.toReversed().map((message) => {
    const pictures = picturesIn(message)
    const shown = Math.min(left, pictures.length)
    left -= shown
    if (shown === pictures.length) return message
    const before = known.get(message)
    if (before?.shown === shown) return before.message
    const places = new Map<typeof pictures[number], Piece>(
      pictures.slice(0, pictures.length - shown).map((block) => [
        block,
        note(block, "only the newest pictures of the conversation are")
      ])
    )
    const after = replaced(message, places)
    known.set(message, { shown, message: after })
    return after
  }).toReversed()
}
