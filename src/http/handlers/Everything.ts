import { Effect } from "effect"
import { maxLimit, type Page, type PageRequest } from "../../domain/Page.ts"

/** All items of a list, page by page. */
export const everything = Effect.fnUntraced(function*<A, E>(list: (page: PageRequest) => Effect.Effect<Page<A>, E>) {
  const items: Array<A> = []
  let page: Page<A> = yield* list({ limit: maxLimit, cursor: undefined })
  items.push(...page.items)
  while (page.next_cursor !== null) {
    page = yield* list({ limit: maxLimit, cursor: page.next_cursor })
    items.push(...page.items)
  }
  return items
})
