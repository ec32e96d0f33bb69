/** Pages of items, as the protocol asks for them and answers with them. */
import { Schema } from "effect"
import { queryInteger } from "../../../../domain/Page.ts"
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

/** Collects one page of items that come in its order; `isFull` when there is no need to go on. */
export const collecting = ({ after, limit }: Pick<PageQuery, "after" | "limit">) => {
  const data: Array<Item> = []
  let begun = after === undefined
  let more = false
  return {
    isFull: () => more,
    add: (items: ReadonlyArray<Item>) => {
      for (const item of items) {
        if (!begun) begun = item.id === after
        else if (data.length < limit) data.push(item)
        else more = true
      }
    },
    page: () => ({
      object: "list" as const,
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: more
    })
  }
}

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
