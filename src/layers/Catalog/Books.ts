/** A catalog over any way to read a book: what is read takes the place of what was there at once, or not at all. */
import { type Context, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type Fault, placeOf, type Reloaded } from "../../domain/Definition.ts"
import { Invalid } from "../../domain/Errors.ts"
import { type Book, type Catalog, emptyBook } from "../../services/Catalog.ts"
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

/** `read` is not asked twice at the same time. */
export const make = (read: Effect.Effect<Folder>): Effect.Effect<Context.Tag.Service<Catalog>> =>
  Effect.map(Effect.makeSemaphore(1), (lock) => {
    let newest = emptyBook
    // Agents that work are the keys: with the last of them its book goes.
    const pinned = new WeakMap<Agent, Book>()
    return {
      book: () => newest,
      bookOf: (agent) => pinned.get(agent) ?? newest,
      pin: (agent, book) => {
        pinned.set(agent, book)
      },
      reload: lock.withPermits(1)(Effect.flatMap(read, ({ book, faults }) => {
        const errors = faults.filter(({ level }) => level === "error")
        if (errors.length > 0) return refused(errors)
        newest = { ...book, revision: newest.revision + 1 }
        return Effect.succeed(sizeOf(newest))
      }))
    }
  })
