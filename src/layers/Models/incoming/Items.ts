/** Items of Responses from servers that do not tell them in pieces: as the events that others send of them. */
import { type Fields, fieldsIn, isFields } from "./Seen.ts"

const textIn = (content: unknown): string =>
  Array.isArray(content)
    ? content.map((part) => {
      const { text, type } = fieldsIn(part)
      return type === "output_text" && typeof text === "string" ? text : ""
    }).join("")
    : ""

/** The text of an item that has come whole, as a piece. */
export const textOf = ({ item, output_index }: Fields): ReadonlyArray<Fields> => {
  const { content, id: item_id, type } = fieldsIn(item)
  const delta = type === "message" ? textIn(content) : ""
  return delta === ""
    ? []
    : [{ type: "response.output_text.delta", sequence_number: 0, item_id, output_index, content_index: 0, delta }]
}

/** All items of an answer of which nothing but its end has come. */
export const all = (output: unknown): ReadonlyArray<Fields> =>
  !Array.isArray(output) ? [] : output.filter(isFields).flatMap((item, output_index) => {
    const at = { sequence_number: 0, output_index }
    const begun = item["type"] === "message" ? { ...item, content: [] } : item
    return [
      { type: "response.output_item.added", ...at, item: { ...begun, status: "in_progress" } },
      ...textOf({ item, output_index }),
      { type: "response.output_item.done", ...at, item }
    ]
  })

/** An answer in one piece, as its last event. */
export const ofWhole = (response: Fields): Fields => ({ type: "response.completed", response })
