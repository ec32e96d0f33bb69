/** How what stands in a library presents itself, an MCP server or a skill. What comes from a hub says from which. */
import { Schema } from "effect"

export const LibraryCard = Schema.Struct({
  display_name: Schema.String,
  description: Schema.String,
  tags: Schema.Array(Schema.String),
  author: Schema.NullOr(Schema.String),
  icon_url: Schema.NullOr(Schema.String),
  url: Schema.NullOr(Schema.String),
  hub_id: Schema.NullOr(Schema.String),
  card_id: Schema.NullOr(Schema.String),
  version: Schema.NullOr(Schema.String)
})
export type LibraryCard = typeof LibraryCard.Type

export const noCard: LibraryCard = {
  display_name: "",
  description: "",
  tags: [],
  author: null,
  icon_url: null,
  url: null,
  hub_id: null,
  card_id: null,
  version: null
}
