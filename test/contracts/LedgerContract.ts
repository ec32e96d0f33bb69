/** What every Ledger layer promises, over the EventLog that writes its entries. */
import { assert, layer } from "@effect/vitest"
import { Effect, FastCheck, type Layer } from "effect"
import type { RunId, Timestamp } from "../../src/domain/Ids.ts"
import type { LedgerEntry } from "../../src/domain/Ledger.ts"
import { GroupBy, noSum, type UsageGroup } from "../../src/domain/UsageReport.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { agentOf, freshId, freshOwner, sessionOf } from "../support/fixtures.ts"
import { always, entryOf } from "../support/ledger.ts"
import { patience } from "../support/Patience.ts"

const enter = (usage: ReadonlyArray<LedgerEntry>) =>
  Effect.flatMap(EventLog, (log) => log.append({ pages: [], runs: [], messages: [], usage }))

const newSession = () => sessionOf(agentOf(freshOwner()))

const at = (text: string) => text as Timestamp

const fieldOf: Readonly<Record<GroupBy, (entry: LedgerEntry) => string>> = {
  day: ({ created_at }) => created_at.slice(0, 10),
  provider: ({ provider }) => provider ?? "",
  model: ({ model }) => model,
  credential: ({ credential_id }) => credential_id ?? "",
  agent: ({ agent_id }) => agent_id ?? "",
  session: ({ session_id }) => session_id ?? "",
  run: ({ run_id }) => run_id ?? ""
}

const groupings = FastCheck.subarray([...GroupBy.literals], { minLength: 1, maxLength: 3 })

const choice = FastCheck.record({
  model: FastCheck.constantFrom("a", "b", "b c"),
  provider: FastCheck.constantFrom("demo_credential", "other_credential", null),
  run_id: FastCheck.constantFrom<Array<RunId | null>>("r1" as RunId, "r2" as RunId, null),
  outcome: FastCheck.constantFrom("completed", "interrupted", "lost", "rate_limit"),
  cost: FastCheck.constantFrom(null, 0, 0.1, 0.2, 0.000_000_001),
  reasoning_tokens: FastCheck.nat(1000),
  created_at: FastCheck.constantFrom(
    at("2026-01-31T00:00:00.000Z"),
    at("2026-01-31T23:59:59.999Z"),
    at("2026-02-01T00:00:00.000Z")
  )
})

export const ledgerContract = <E>(name: string, backend: Layer.Layer<EventLog | Files | Ledger, E>): void =>
  layer(backend, { timeout: patience(120_000), excludeTestServices: true })(`Ledger contract: ${name}`, (it) => {
    it.effect("sums nothing to nothing", () =>
      Effect.gen(function*() {
        const ledger = yield* Ledger
        const owner = freshOwner()
        assert.deepStrictEqual(yield* ledger.total(owner, always), noSum)
        const query = { ...always, group_by: ["day" as const], limit: 10, after: undefined }
        assert.deepStrictEqual(yield* ledger.groups(owner, query), [])
      }))

    it.effect("sums an owner's calls from the beginning of a range to before its end", () =>
      Effect.gen(function*() {
        const ledger = yield* Ledger
        const [session, other] = [newSession(), newSession()]
        const times = ["2026-01-31T23:59:59.999Z", "2026-02-01T00:00:00.000Z", "2026-02-02T00:00:00.000Z"].map(at)
        yield* enter([...times.map((created_at) => entryOf(session, { created_at })), entryOf(other)])
        const range = { from: times[1]!, to: times[2]! }
        assert.strictEqual((yield* ledger.total(session.user_id, range)).calls, 1)
        assert.strictEqual((yield* ledger.total(session.user_id, always)).calls, 3)
        const days = yield* ledger.groups(session.user_id, {
          ...always,
          group_by: ["day"],
          limit: 10,
          after: undefined
        })
        assert.deepStrictEqual(days.map(({ keys, sum }) => [...keys, sum.calls]), [
          ["2026-01-31", 1],
          ["2026-02-01", 1],
          ["2026-02-02", 1]
        ])
      }))

    it.effect("sums the calls of all owners, or of those that are named, by owner too", () =>
      Effect.gen(function*() {
        const ledger = yield* Ledger
        const [one, two, other] = [newSession(), newSession(), newSession()]
        yield* enter([entryOf(one), entryOf(one), entryOf(two, { model: "b" }), entryOf(other)])
        const users = [one.user_id, two.user_id]
        const query = { ...always, group_by: ["user", "model"] as const, limit: 10, after: undefined, users }
        const groups = yield* ledger.host.groups(query)
        assert.deepStrictEqual(groups.map(({ keys, sum }) => [...keys, sum.calls]), [
          [one.user_id, "demo-chat", 2],
          [two.user_id, "b", 1]
        ])
        const [first] = yield* ledger.host.groups({ ...query, limit: 1 })
        assert.deepStrictEqual(yield* ledger.host.groups({ ...query, after: first!.keys }), groups.slice(1))
        assert.strictEqual((yield* ledger.host.total({ ...always, users })).calls, 3)
        assert.deepStrictEqual(yield* ledger.host.groups({ ...query, users: [] }), [])
        const all = yield* ledger.host.groups({ ...always, group_by: ["user"], limit: 10_000, after: undefined })
        assert.includeDeepMembers(all.map(({ keys, sum }) => [...keys, sum.calls]), [
          [one.user_id, 2],
          [two.user_id, 1],
          [other.user_id, 1]
        ])
        const total = yield* ledger.host.total(always)
        assert.strictEqual(all.reduce((calls, { sum }) => calls + sum.calls, 0), total.calls)
      }))

    it.effect("gives the calls of one run, to their owner alone", () =>
      Effect.gen(function*() {
        const ledger = yield* Ledger
        const session = newSession()
        const run = (id: string, n: number, cost: number | null) =>
          entryOf(session, { id: `${id}/e${n}`, run_id: id as RunId, cost, duration_ms: null })
        const id = freshId()
        const own = [run(id, 1, 0.25), run(id, 2, null), run(id, 3, 0)]
        yield* enter([...own, run(`${id}0`, 4, 1), run(id.slice(0, -1), 5, 1)])
        assert.deepStrictEqual(yield* ledger.calls(session.user_id, id as RunId, 10), own)
        assert.deepStrictEqual(yield* ledger.calls(session.user_id, id as RunId, 2), own.slice(0, 2))
        assert.deepStrictEqual(yield* ledger.calls(freshOwner(), id as RunId, 10), [])
      }))

    it.effect("the groups of every kind add up to the total, in whatever pages they are read", () =>
      Effect.gen(function*() {
        const ledger = yield* Ledger
        const context = yield* Effect.context<EventLog | Files | Ledger>()
        const property = FastCheck.asyncProperty(
          FastCheck.array(choice, { maxLength: 12 }),
          groupings,
          FastCheck.integer({ min: 1, max: 5 }),
          (choices, some, limit) =>
            Effect.gen(function*() {
              const session = newSession()
              const owner = session.user_id
              const entries = choices.map((changes) => entryOf(session, changes))
              yield* enter(entries)
              const group_by = GroupBy.literals.filter((one) => some.includes(one))
              const groups: Array<UsageGroup> = []
              for (;;) {
                const after: ReadonlyArray<string> | undefined = groups.at(-1)?.keys
                const page = yield* ledger.groups(owner, { ...always, group_by, limit, after })
                groups.push(...page)
                if (page.length < limit) break
              }
              const total = yield* ledger.total(owner, always)
              const of = (entry: LedgerEntry) => group_by.map((by) => fieldOf[by](entry))
              const wanted = new Set(entries.map((entry) => JSON.stringify(of(entry))))
              assert.deepStrictEqual(groups.map(({ keys }) => JSON.stringify(keys)), [...wanted].toSorted(byKeys))
              for (const { keys, sum } of groups) {
                const those = entries.filter((entry) => JSON.stringify(of(entry)) === JSON.stringify(keys))
                assert.deepInclude(sum, {
                  calls: those.length,
                  errors: those.filter(({ outcome }) => outcome === "lost" || outcome === "rate_limit").length,
                  input_tokens: those.length * 100,
                  reasoning_tokens: those.reduce((tokens, { reasoning_tokens }) => tokens + reasoning_tokens, 0),
                  unpriced_calls: those.filter(({ cost }) => cost === null).length
                })
                assert.strictEqual(sum.cost === null, those.every(({ cost }) => cost === null))
              }
              assert.strictEqual(groups.reduce((calls, { sum }) => calls + sum.calls, 0), total.calls)
              assert.strictEqual(total.calls, entries.length)
              const cost = entries.reduce((sum, entry) => sum + (entry.cost ?? 0), 0)
              assert.approximately(total.cost ?? 0, cost, 1e-9)
            }).pipe(Effect.provide(context), Effect.runPromise)
        )
        yield* Effect.promise(() => FastCheck.assert(property, { numRuns: 40 }))
      }))
  })

const byKeys = (a: string, b: string) => {
  const [left, right]: ReadonlyArray<ReadonlyArray<string>> = [JSON.parse(a), JSON.parse(b)]
  const i = left!.findIndex((key, i) => key !== right![i])
  return i < 0 ? 0 : left![i]! < right![i]! ? -1 : 1
}
