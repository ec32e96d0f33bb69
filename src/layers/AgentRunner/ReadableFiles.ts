/**
 * Files in their blocks that no model could read: they may come from a time in
 * which inputs were not looked at, or from a model or a tool. Providers refuse the
 * whole request for one of them, so a note takes its place; the log keeps it.
 */
import { faultOf, fileAt, isWebUrl, mediaTypeOf } from "../../domain/File.ts"
import type { DataBlock, Message, TextBlock } from "../../domain/Message.ts"
import * as Base64 from "../../services/Base64.ts"
import { dataIn, note, replaced } from "./FileBlocks.ts"

/** What a model gets for a block: a `data:` URL becomes base64, for no provider fetches one. */
const readableBlock = (block: DataBlock): DataBlock | TextBlock => {
  const { source } = block
  const isUrl = source.type === "url"
  if (isUrl && !Base64.isDataUrl(source.url)) {
    return isWebUrl(source.url) || fileAt(source.url) !== undefined ? block : note(block, "its link cannot be followed")
  }
  const media_type = mediaTypeOf(source.media_type)
  const bytes = isUrl ? Base64.decodeDataUrl(source.url) : Base64.decode(source.data)
  if (bytes === undefined) return note(block, "its data cannot be read")
  const fault = faultOf(media_type, bytes)
  if (fault !== undefined) return note(block, `it ${fault}`)
  return isUrl ? { ...block, source: { type: "base64", data: Base64.encode(bytes), media_type } } : block
}

/** Blocks and messages never change, so each is looked at once. */
const seen = new WeakMap<DataBlock, DataBlock | TextBlock>()
const known = new WeakMap<Message, Message>()

const seenBlock = (block: DataBlock): DataBlock | TextBlock => {
  const before = seen.get(block)
  if (before !== undefined) return before
  const after = readableBlock(block)
  seen.set(block, after)
  return after
}

/** The message itself when all of its files can be read. */
export const readable = (message: Message): Message => {
  const before = known.get(message)
  if (before !== undefined) return before
  const places = new Map(message.content.flatMap(dataIn).map((block) => [block, seenBlock(block)] as const))
  const after = [...places].every(([block, place]) => block === place) ? message : replaced(message, places)
  known.set(message, after)
  return after
}
