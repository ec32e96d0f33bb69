/** Lists of threads: narrowed by what their clients have noted at them, and sorted. */
import { Effect } from "effect"
import type { UserId } from "../../../domain/Ids.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import { maxLimit } from "../../../domain/Page.ts"
import type { Thread } from "../../../domain/Thread.ts"
import { Storage } from "../../../services/Storage.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { ThreadSearch } from "./request/Requests.ts"
import type { States } from "./States.ts"
import type { Threads } from "./Threads.ts"

/** The newest threads that a search looks at, and those whose state it looks at where it asks for one. */
const maxLooked = 1_000
const maxStatuses = 200

/** Threads of a list that are read at the same time. */
const atOnce = 4

/** Whether a value holds all that is asked of it. */
const holds = (value: unknown, asked: unknown): boolean =>
  isObject(asked)
    ? isObject(value) && Object.entries(asked).every(([name, member]) => holds(value[name], member))
    : JSON.stringify(value) === JSON.stringify(asked)

type Sorting = Pick<ThreadSearch, "sort_by" | "sort_order">

/** By time unless something else is asked for, newest first. The states of threads are no order. */
const sorted = (rows: ReadonlyArray<Thread>, { sort_by, sort_order }: Sorting): ReadonlyArray<Thread> => {
  const name = sort_by === "thread_id" || sort_by === "created_at" ? sort_by : "updated_at"
  const sign = sort_order === "asc" ? 1 : -1
  return rows.toSorted((a, b) => (a[name] < b[name] ? -1 : a[name] > b[name] ? 1 : 0) * sign)
}

/** Only the fields that are asked for. */
export const selected = <A extends object>(record: A, select: ReadonlyArray<string> | null | undefined): Partial<A> =>
  select == null || select.length === 0
    ? record
    : Object.fromEntries(Object.entries(record).filter(([name]) => select.includes(name))) as Partial<A>

export const make = (threads: Threads, states: States) =>
  Effect.map(Storage, ({ threads: rows }) => {
    const looked = Effect.fnUntraced(function*(owner: UserId) {
      const found: Array<Thread> = []
      for (let cursor: string | undefined, more = true; more && found.length < maxLooked;) {
        const page = yield* Effect.orDie(rows.list(owner, { limit: maxLimit, cursor }, { kind: "thread" }, "newest"))
        found.push(...page.items)
        cursor = page.next_cursor ?? undefined
        more = cursor !== undefined
      }
      return found.slice(0, maxLooked)
    })

    return Effect.fnUntraced(function*(owner: UserId, search: ThreadSearch) {
      const { ids, limit, metadata, offset, select, status, values } = search
      if (values != null && Object.keys(values).length > 0) {
        return yield* refuse("not_searchable", "values", "Threads are searched by their metadata and their status")
      }
      const all = (yield* looked(owner)).filter((row) =>
        (ids == null || ids.includes(row.thread_id)) && (metadata == null || holds(row.metadata, metadata))
      )
      const fitting = status == null ? all : yield* Effect.filter(
        all.slice(0, maxStatuses),
        (row) => Effect.map(Effect.flatMap(threads.sessionOf(row), states.status), (now) => now === status),
        { concurrency: atOnce }
      )
      return yield* Effect.forEach(
        sorted(fitting, search).slice(offset, offset + limit),
        (row) =>
          Effect.flatMap(threads.sessionOf(row), (session) =>
            Effect.map(states.view(row, session, true), (view) => selected(view, select))),
        { concurrency: atOnce }
      )
    })
  })
