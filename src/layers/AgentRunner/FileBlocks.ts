/** The files of a message, and what may take their place on the way to a model. */
import type { ContentBlock, DataBlock, HintBlock, Message, TextBlock, ToolOutput } from "../../domain/Message.ts"

export type Piece = TextBlock | DataBlock

const piecesIn = (content: ToolOutput): ReadonlyArray<Piece> => typeof content === "string" ? [] : content

/** The files of a block, also those of a tool's output. */
export const dataIn = (block: ContentBlock): ReadonlyArray<DataBlock> => {
  switch (block.type) {
    case "data":
      return [block]
    case "hint":
      return piecesIn(block.hint).filter((piece) => piece.type === "data")
    case "tool_result":
      return piecesIn(block.output).filter((piece) => piece.type === "data")
    default:
      return []
  }
}

/** Stands in the place of a file that a model does not get. */
export const note = ({ id, name, source }: DataBlock, why: string): TextBlock => ({
  type: "text",
  id,
  text: `[${name ?? "A file"} of type ${source.media_type} is not shown: ${why}.]`
})

/** What stands in the place of each stored file of a message. */
export type Places = ReadonlyMap<DataBlock, Piece>

export const replaced = (message: Message, places: Places): Message => {
  const piece = (one: Piece): Piece => one.type === "data" ? places.get(one) ?? one : one
  const output = (content: ToolOutput): ToolOutput => typeof content === "string" ? content : content.map(piece)
  const block = (one: ContentBlock): ContentBlock => {
    switch (one.type) {
      case "data":
        return piece(one)
      case "hint":
        return { ...one, hint: output(one.hint) } satisfies HintBlock
      case "tool_result":
        return { ...one, output: output(one.output) }
      default:
        return one
    }
  }
  return { ...message, content: message.content.map(block) }
}
