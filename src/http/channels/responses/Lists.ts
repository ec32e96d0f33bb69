/** Pages of items, as the protocol asks for them and answers with them. */
import { Schema } from "effect"
import { queryInteger } from "../../../domain/Page.ts"
import type { Item } from "./Items.ts"

const many = Schema.optional(Schema.Union(Schema.String, Schema.Array(Schema.String)))

export const includes = { include: many, "include[]": many }

export const PageQuery = Schema.Struct({
  limit: queryInteger(1, 100, 20),
  order: Schema.optionalWith(Schema.Literal("asc", "desc"), { default: () => "desc" as const }),
  after: Schema.optional(Schema.String.pipe(Schema.maxLength(512))),
  ...includes
})
export type PageQuery = typeof PageQuery.Type

/** The items come oldest first. */
export const pageOf = (
  items: ReadonlyArray<Item>,
  { after, limit, order }: Pick<PageQuery, "after" | "limit" | "order">
) => {
  const all = order === "asc" ? items : items.toReversed()
  const from = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1
  const data = all.slice(from, from + limit)
  return {
    object: "list" as const,
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: from + data.length < all.length
  }
}
