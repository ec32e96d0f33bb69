/** A catalog over any way to read a book: what is read takes the place of what was there at once, or not at all. */
import { type Context, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type Fault, placeOf, type Reloaded } from "../../domain/Definition.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { RunId } from "../../domain/Ids.ts"
import { type Begun, type Book, type Catalog, emptyBook } from "../../services/Catalog.ts"
import * as Listeners from "../Listeners.ts"
import { problemsIn } from "../ValueCheck.ts"
import type { Folder } from "./Folder.ts"

const sizeOf = ({ agents, revision, skills, tools }: Book): Reloaded => ({
  revision,
  agents: agents.size,
  tools: tools.size,
  skills: skills.size
})

export const refused = (faults: ReadonlyArray<Fault>): Invalid =>
  new Invalid({
    code: "definitions_refused",
    detail: faults.length === 1
      ? "One thing is wrong with the definitions; what was there before goes on."
      : `${faults.length} things are wrong with the definitions; what was there before goes on.`,
    errors: faults.map((fault) => ({ path: placeOf(fault), message: `${fault.message} ${fault.fix}` }))
  })

/** Most runs whose beginning is known, and most older books that are kept for them. */
const maxRuns = 10_000
const maxOlder = 8

/** What runs have begun with. */
const beginnings = () => {
  /** In the order in which they have begun. */
  const known = new Map<RunId, Begun>()

  /** Forgets the runs of the oldest books where there are too many of these. */
  const trim = () => {
    const books = [...new Set([...known.values()].map(({ book }) => book))]
      .toSorted((a, b) => b.revision - a.revision)
    const gone = new Set(books.slice(maxOlder))
    if (gone.size === 0) return
    for (const [run, { book }] of known) if (gone.has(book)) known.delete(run)
  }

  return {
    trim,
    begun: <E>(run: RunId, now: Effect.Effect<Begun, E>): Effect.Effect<Begun, E> =>
      Effect.suspend(() => {
        const before = known.get(run)
        if (before !== undefined) return Effect.succeed(before)
        return Effect.tap(now, (begun) => {
          const [oldest] = known.keys()
          if (known.size >= maxRuns && oldest !== undefined) known.delete(oldest)
          known.set(run, begun)
        })
      }),
    ended: (run: RunId) => {
      known.delete(run)
    }
  }
}

/** `read` is not asked twice at the same time. */
export const make = (read: Effect.Effect<Folder>): Effect.Effect<Context.Tag.Service<Catalog>> =>
  Effect.map(Effect.makeSemaphore(1), (lock) => {
    let newest = emptyBook
    // Agents that work are the keys: with the last of them its book goes.
    const pinned = new WeakMap<Agent, Pick<Begun, "book" | "config">>()
    const { begun, ended, trim } = beginnings()
    const replaced = Listeners.make()
    return {
      begun,
      ended,
      listen: replaced.listen,
      book: () => newest,
      bookOf: (agent) => pinned.get(agent)?.book ?? newest,
      configOf: (agent) => pinned.get(agent)?.config,
      pin: (agent, by) => {
        pinned.set(agent, by)
      },
      problemsIn: (owner, { front: { input_schema } }, value) =>
        input_schema === null ? Effect.succeed([]) : Effect.catchTag(
          problemsIn(owner, { noun: "the input", schema: input_schema, value, text: JSON.stringify(value) }),
          "CheckTooExpensive",
          () => Effect.succeed(["It takes too long to check: make it smaller."])
        ),
      reload: lock.withPermits(1)(Effect.flatMap(read, ({ book, faults }) => {
        const errors = faults.filter(({ level }) => level === "error")
        if (errors.length > 0) return refused(errors)
        newest = { ...book, revision: newest.revision + 1 }
        trim()
        replaced.call()
        return Effect.succeed(sizeOf(newest))
      }))
    }
  })
