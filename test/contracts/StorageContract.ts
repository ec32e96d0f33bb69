/** What every Storage layer promises. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Either, Exit, Fiber, type Layer } from "effect"
import type { Agent } from "../../src/domain/Agent.ts"
import type { Conflict, Malformed, NotFound } from "../../src/domain/Errors.ts"
import * as Find from "../../src/domain/Find.ts"
import type { Timestamp, UserId } from "../../src/domain/Ids.ts"
import { type Page, pageBytes } from "../../src/domain/Page.ts"
import type { Run } from "../../src/domain/Run.ts"
import { wasSent } from "../../src/domain/RunQuery.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { type Collection, type Owned, Storage } from "../../src/services/Storage.ts"
import {
  agentOf,
  conversationOf,
  credentialOf,
  elicitationOf,
  freshId,
  freshOwner,
  keyOf,
  later,
  mcpAuthorizationOf,
  mcpServerOf,
  messageOf,
  pageOf,
  placedOf,
  responseOf,
  runOf,
  sessionOf,
  skillBundleOf,
  skillOf,
  skillPieceOf,
  strangeTexts
} from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"

const named = (agent: Agent, name: string): Agent => ({ ...agent, updated_at: later, data: { ...agent.data, name } })

const rename = (name: string) => (agent: Agent) => named(agent, name)

/** All pages of a list, from the first to the last. */
const walk = <A, E, R>(list: (cursor: string | undefined) => Effect.Effect<Page<A>, E, R>) =>
  Effect.gen(function*() {
    const pages: Array<Page<A>> = []
    let cursor: string | undefined
    do {
      const page: Page<A> = yield* list(cursor)
      pages.push(page)
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
    return pages
  })

const request = (limit: number, cursor?: string) => ({ limit, ...(cursor !== undefined && { cursor }) })

/** A stored record and what its collection does with it. */
interface Check {
  readonly noun: string
  readonly id: string
  readonly owner: UserId
  readonly record: Owned
  readonly get: (by: UserId) => Effect.Effect<Owned, NotFound>
  readonly hostGet: Effect.Effect<Owned, NotFound>
  readonly list: (by: UserId) => Effect.Effect<Page<Owned>, Malformed>
  readonly again: () => Effect.Effect<Owned, Conflict | NotFound>
  readonly touch: (by: UserId) => Effect.Effect<Owned, NotFound>
  readonly remove: (by: UserId) => Effect.Effect<void, NotFound>
}

/** One of each noun, children first. */
const oneOfEach = Effect.gen(function*() {
  const storage = yield* Storage
  const owner = freshOwner()
  const agent = yield* storage.agents.insert(agentOf(owner))
  const session = yield* storage.sessions.insert(sessionOf(agent))
  const credential = yield* storage.credentials.insert(credentialOf(owner))
  const run = yield* storage.runs.insert(runOf(session))
  const key = yield* storage.keys.insert(keyOf(owner))
  const sessionKey = yield* storage.sessionKeys.insert({
    id: `${session.id}-key`,
    user_id: owner,
    created_at: session.created_at,
    updated_at: session.updated_at,
    channel: "letters",
    key: "mine",
    session_id: session.id
  })
  const completion = yield* storage.completions.insert({
    id: `chatcmpl-${session.id}`,
    user_id: owner,
    created_at: session.created_at,
    updated_at: session.updated_at,
    model: "agent/Ada",
    metadata: { topic: "porch" },
    completion: { id: `chatcmpl-${session.id}` }
  })
  const completionMessages = yield* storage.completionMessages.insert({
    id: completion.id,
    user_id: owner,
    created_at: session.created_at,
    updated_at: session.updated_at,
    messages: [{ role: "user", content: "hi" }]
  })
  const response = yield* storage.responses.insert(responseOf(run))
  const conversation = yield* storage.conversations.insert(conversationOf(session))
  const elicitation = yield* storage.elicitations.insert(elicitationOf(session))
  const server = yield* storage.mcpServers.insert(mcpServerOf(owner))
  const authorization = yield* storage.mcpAuthorizations.insert(mcpAuthorizationOf(server))
  const bundle = yield* storage.skillBundles.insert(skillBundleOf(owner))
  const piece = yield* storage.skillPieces.insert(skillPieceOf(bundle))
  const skill = yield* storage.skills.insert(skillOf(bundle))
  const check = <A extends Owned, Columns extends string>(
    noun: string,
    collection: Collection<A, Columns>,
    record: A
  ): Check => ({
    noun,
    id: record.id,
    owner,
    record,
    get: (by) => collection.get(by, record.id),
    hostGet: collection.host.get(record.id),
    list: (by) => collection.list(by, request(10)),
    again: () => collection.insert(record),
    touch: (by) => collection.modify(by, record.id, (a) => ({ ...a, updated_at: later })),
    remove: (by) => collection.remove(by, record.id)
  })
  return [
    check("Response", storage.responses, response),
    check("Conversation", storage.conversations, conversation),
    check("Run", storage.runs, run),
    check("Session key", storage.sessionKeys, sessionKey),
    check("Messages of a stored completion", storage.completionMessages, completionMessages),
    check("Stored completion", storage.completions, completion),
    check("Elicitation", storage.elicitations, elicitation),
    check("Session", storage.sessions, session),
    check("Agent", storage.agents, agent),
    check("Credential", storage.credentials, credential),
    check("Key", storage.keys, key),
    check("MCP authorization", storage.mcpAuthorizations, authorization),
    check("MCP server", storage.mcpServers, server),
    check("Skill", storage.skills, skill),
    check("Piece", storage.skillPieces, piece),
    check("Bundle", storage.skillBundles, bundle)
  ]
})

export const storageContract = <E>(name: string, backend: Layer.Layer<Storage | EventLog, E>): void =>
  layer(backend, { timeout: patience(120_000), excludeTestServices: true })(`Storage contract: ${name}`, (it) => {
    it.effect("returns what was inserted, to its owner and to the host", () =>
      Effect.gen(function*() {
        for (const { get, hostGet, list, owner, record } of yield* oneOfEach) {
          assert.deepStrictEqual(yield* get(owner), record)
          assert.deepStrictEqual(yield* hostGet, record)
          assert.deepStrictEqual(yield* list(owner), { items: [record], total: 1, next_cursor: null })
        }
      }))

    it.effect("hides records from other owners: the same answer as for none", () =>
      Effect.gen(function*() {
        for (const { get, id, list, noun, owner, record, remove, touch } of yield* oneOfEach) {
          const other = freshOwner()
          for (const attempt of [get(other), touch(other), remove(other)] as const) {
            const error = yield* Effect.flip(attempt)
            assert.strictEqual(error._tag, "NotFound")
            assert.strictEqual(error.detail, `${noun} '${id}' not found.`)
          }
          assert.deepStrictEqual(yield* list(other), { items: [], total: 0, next_cursor: null })
          assert.deepStrictEqual(yield* get(owner), record)
        }
      }))

    it.effect("refuses a taken id, and keeps the record that has it", () =>
      Effect.gen(function*() {
        for (const { again, get, owner, record } of yield* oneOfEach) {
          const error = yield* Effect.flip(again())
          assert.deepStrictEqual([error._tag, error.code], ["Conflict", "id_taken"])
          assert.deepStrictEqual(yield* get(owner), record)
        }
        const { agents } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner()))
        assert.strictEqual((yield* Effect.flip(agents.insert({ ...agent, user_id: freshOwner() })))._tag, "Conflict")
        assert.strictEqual((yield* agents.host.get(agent.id)).user_id, agent.user_id)
      }))

    it.effect("lets exactly one of many inserts of one id through", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const agent = agentOf(freshOwner())
        const exits = yield* Effect.forEach(Array.from({ length: 10 }), (_, i) =>
          Effect.exit(agents.insert(named(agent, `${i}`))), {
          concurrency: "unbounded"
        })
        assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      }))

    it.effect("refuses a record whose parent is gone", () =>
      Effect.gen(function*() {
        const storage = yield* Storage
        const agent = agentOf(freshOwner())
        const session = sessionOf(agent)
        assert.strictEqual((yield* Effect.flip(storage.sessions.insert(session)))._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(storage.runs.insert(runOf(session))))._tag, "NotFound")
        yield* storage.agents.insert(agent)
        yield* storage.sessions.insert(session)
        yield* storage.agents.remove(agent.user_id, agent.id)
        assert.strictEqual((yield* Effect.flip(storage.sessions.insert(session)))._tag, "NotFound")
      }))

    it.effect("removes what was there, once", () =>
      Effect.gen(function*() {
        for (const { get, list, owner, remove } of yield* oneOfEach) {
          yield* remove(owner)
          assert.strictEqual((yield* Effect.flip(get(owner)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(remove(owner)))._tag, "NotFound")
          assert.strictEqual((yield* list(owner)).total, 0)
        }
      }))

    it.effect("takes an id back after its removal", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner()))
        yield* agents.remove(agent.user_id, agent.id)
        const again = yield* agents.insert(named(agent, "again"))
        assert.deepStrictEqual(yield* agents.get(agent.user_id, agent.id), again)
      }))

    it.effect("knows no id that cannot be one", () =>
      Effect.gen(function*() {
        const { agents, credentials } = yield* Storage
        const owner = freshOwner()
        for (const id of ["", "\0", `${freshId()}\0`, "\ud800", "' or true --", "é".repeat(5000)]) {
          assert.strictEqual((yield* Effect.flip(agents.get(owner, id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(agents.host.get(id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(agents.modify(owner, id, (agent) => agent)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(agents.remove(owner, id)))._tag, "NotFound")
          assert.strictEqual((yield* credentials.list(owner, request(5), { type: id })).total, 0)
        }
      }))

    it.effect("pages in id order, both ways, without gap or repeat", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const owner = freshOwner()
        const made = Array.from({ length: 23 }, () => agentOf(owner))
        // Bytes decide, not a language: `B` < `_` < `a`.
        const odd = ["B", "_", "a", "~", "!"].map((id) => ({
          ...agentOf(owner),
          id: `${freshId()}${id}` as Agent["id"]
        }))
        const all = [...made, ...odd]
        yield* Effect.forEach(all.toReversed(), agents.insert)
        yield* agents.insert(agentOf(freshOwner()))
        const ids = all.map(({ id }) => id as string).toSorted((a, b) => a < b ? -1 : 1)

        for (const limit of [1, 7, 14, 28, 100]) {
          const pages = yield* walk((cursor) => agents.list(owner, request(limit, cursor)))
          assert.deepStrictEqual(pages.flatMap(({ items }) => items.map(({ id }) => id as string)), ids)
          assert.deepStrictEqual(new Set(pages.map(({ total }) => total)), new Set([ids.length]))
          assert.strictEqual(pages.length, Math.ceil(ids.length / limit))
          const back = yield* walk((cursor) => agents.list(owner, request(limit, cursor), {}, "newest"))
          assert.deepStrictEqual(back.flatMap(({ items }) => items.map(({ id }) => id as string)), ids.toReversed())
        }
      }))

    it.effect("pages past a record that has been removed meanwhile", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const owner = freshOwner()
        const [a, b, c] = yield* Effect.forEach([1, 2, 3], () => agents.insert(agentOf(owner)))
        const first = yield* agents.list(owner, request(2))
        yield* agents.remove(owner, b!.id)
        const rest = yield* agents.list(owner, request(2, first.next_cursor!))
        assert.deepStrictEqual([...first.items, ...rest.items].map(({ id }) => id), [a!.id, b!.id, c!.id])
      }))

    it.effect("refuses a cursor that is not its own", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        for (const cursor of ["", "%%%", "AA", "4pyT"]) {
          assert.strictEqual((yield* Effect.flip(agents.list(freshOwner(), request(5, cursor)))).code, "invalid_cursor")
        }
      }))

    it.effect("goes through the records of all owners, oldest first, a few at a time", () =>
      Effect.gen(function*() {
        const { credentials } = yield* Storage
        const made = yield* Effect.forEach([1, 2, 3, 4, 5], () => credentials.insert(credentialOf(freshOwner())))
        const ids = (after: string, limit: number) =>
          Effect.map(credentials.host.scan(after, limit), ({ items, next }) => ({
            ids: items.map(({ id }) => id),
            next
          }))
        const [first, second, third, fourth, fifth] = made.map(({ id }) => id)
        assert.deepStrictEqual(yield* ids(first!, 2), { ids: [second!, third!], next: third })
        assert.deepStrictEqual(yield* ids(third!, 10), { ids: [fourth!, fifth!], next: undefined })
        assert.deepStrictEqual(yield* ids(fifth!, 10), { ids: [], next: undefined })
        assert.strictEqual((yield* credentials.host.scan(undefined, 1)).items.length, 1)
      }))

    it.effect("tells who has records of a kind, each once, a few at a time", () =>
      Effect.gen(function*() {
        const { credentials } = yield* Storage
        const before = yield* credentials.host.owners(undefined, 10_000)
        const owners = [freshOwner(), freshOwner(), freshOwner()].toSorted()
        for (const owner of [...owners, ...owners.toReversed()]) yield* credentials.insert(credentialOf(owner))
        assert.deepStrictEqual(yield* credentials.host.owners(undefined, 10_000), [...before, ...owners].toSorted())
        assert.deepStrictEqual(yield* credentials.host.owners(owners[0], 1), owners.slice(1, 2))
        assert.deepStrictEqual(yield* credentials.host.owners("~", 10), [])
      }))

    it.effect(
      "ends a page at so many bytes, and gives a record alone that is larger by itself",
      () =>
        Effect.gen(function*() {
          const { agents, runs, sessions } = yield* Storage
          const log = yield* EventLog
          const agent = yield* agents.insert(agentOf(freshOwner()))
          const owner = agent.user_id
          const session = yield* sessions.insert(sessionOf(agent))
          const third = Math.floor(pageBytes / 3) - 2000
          const made = [third, third, third, pageBytes + 1, 1, 1].map((length) => ({
            ...runOf(session),
            input: [messageOf("x".repeat(length))]
          }))
          yield* log.append({ pages: [], runs: made, messages: [] })
          const ids = made.map(({ id }) => id)
          const pages = (limit: number, order: "oldest" | "newest") =>
            Effect.map(
              walk((cursor) => runs.list(owner, request(limit, cursor), {}, order)),
              (pages) =>
                pages.map(({ items, total }) => {
                  assert.strictEqual(total, ids.length)
                  return items.map(({ id }) => ids.indexOf(id))
                })
            )
          assert.deepStrictEqual(yield* pages(10, "oldest"), [[0, 1, 2], [3], [4, 5]])
          assert.deepStrictEqual(yield* pages(10, "newest"), [[5, 4], [3], [2, 1, 0]])
          assert.deepStrictEqual(yield* pages(2, "oldest"), [[0, 1], [2], [3], [4, 5]])
        }),
      120_000
    )

    it.effect("one record that cannot be read hides none of the others", () =>
      Effect.gen(function*() {
        const { agents, runs, sessions } = yield* Storage
        const log = yield* EventLog
        const agent = yield* agents.insert(agentOf(freshOwner()))
        const owner = agent.user_id
        const session = yield* sessions.insert(sessionOf(agent))
        const made = [1, 2, 3, 4, 5].map(() => runOf(session))
        // As something may have written it that was not as careful: not a whole number.
        const stored = made.map((run, i) => i === 1 || i === 4 ? { ...run, attempt: 0.5 } : run)
        yield* log.append({ pages: [], runs: stored, messages: [] })
        const ids = made.map(({ id }) => id)
        const pages = yield* walk((cursor) => runs.list(owner, request(2, cursor)))
        assert.deepStrictEqual(pages.map(({ items }) => items.map(({ id }) => ids.indexOf(id))), [[0], [2, 3], []])
        const newest = yield* walk((cursor) => runs.list(owner, request(1, cursor), {}, "newest"))
        assert.deepStrictEqual(newest.flatMap(({ items }) => items.map(({ id }) => ids.indexOf(id))), [3, 2, 0])
        assert.strictEqual(newest[0]!.total, 5)
        assert.strictEqual(
          (yield* runs.host.scan(undefined, 10_000)).items.filter(({ user_id }) => user_id === owner).length,
          3
        )
      }))

    it.effect("narrows a list of runs by all that is asked for together, in pages, and counts it", () =>
      Effect.gen(function*() {
        const { agents, runs, sessions } = yield* Storage
        const owner = freshOwner()
        const [one, two] = yield* Effect.forEach([1, 2], () => agents.insert(agentOf(owner)))
        const [first, second] = [
          yield* sessions.insert(sessionOf(one!)),
          yield* sessions.insert(sessionOf(two!))
        ]
        const at = (second: number) => `2026-01-31T09:30:${String(second).padStart(2, "0")}.000Z` as Timestamp
        const made = Array.from({ length: 24 }, (_, i) =>
          runOf(i % 2 === 0 ? first : second, {
            status: i % 3 === 0 ? "ended" : "queued",
            source: i % 4 === 0 ? "schedule" : "user",
            source_id: i % 4 === 0 ? `fire-${i}` : null,
            created_at: at(i)
          }))
        const log = yield* EventLog
        yield* log.append({ pages: [], runs: made, messages: [] })
        const foreign = yield* agents.insert(agentOf(freshOwner()))
        yield* runs.insert(runOf(yield* sessions.insert(sessionOf(foreign))))
        const list = (
          where: Parameters<typeof runs.list>[2],
          narrowed: Parameters<typeof runs.list>[4],
          keep: (run: Run, i: number) => boolean
        ) =>
          Effect.gen(function*() {
            const wanted = made.filter(keep).map(({ id }) => id).toReversed()
            for (const limit of [3, 100]) {
              const pages = yield* walk((cursor) => runs.list(owner, request(limit, cursor), where, "newest", narrowed))
              assert.deepStrictEqual(pages.flatMap(({ items }) => items.map(({ id }) => id)), wanted)
              for (const { total } of pages) assert.strictEqual(total, wanted.length)
            }
          })
        yield* list({ agent_id: one!.id }, {}, ({ agent_id }) => agent_id === one!.id)
        yield* list({ status: "ended" }, {}, ({ status }) => status === "ended")
        yield* list({ source: "schedule" }, {}, ({ source }) => source === "schedule")
        yield* list({ source_id: "fire-8" }, {}, ({ source_id }) => source_id === "fire-8")
        yield* list({}, { from: at(5), to: at(11) }, (_, i) => i >= 5 && i < 11)
        yield* list({}, { ids: [] }, () => false)
        const ids = [made[3]!.id, made[7]!.id, made[8]!.id, "nobody's"]
        yield* list({}, { ids }, ({ id }) => ids.includes(id))
        yield* list(
          { session_id: first.id, agent_id: one!.id, status: "queued", source: "user" },
          { from: at(4) },
          (run, i) => run.session_id === first.id && run.status === "queued" && run.source === "user" && i >= 4
        )
      }))

    it.effect("searches the newest first, in pages, and leaves out no record that holds the text", () =>
      Effect.gen(function*() {
        const { agents, runs, sessions } = yield* Storage
        const log = yield* EventLog
        const agent = yield* agents.insert(agentOf(freshOwner()))
        const owner = agent.user_id
        const session = yield* sessions.insert(sessionOf(agent))
        const texts = [
          "Stoa",
          "the STOA",
          "s\0toa",
          "ΟΔΟΣ \ud800",
          "\u212aelvin \"x\\",
          "\u0130stoa",
          "柱廊",
          "x".repeat(20_000)
        ]
        const made = texts.map((text, i) =>
          runOf(session, { input: [messageOf(text)], status: i % 2 ? "ended" : "queued" })
        )
        yield* log.append({ pages: [], runs: made, messages: [] })
        const other = yield* agents.insert(agentOf(freshOwner()))
        yield* runs.insert(runOf(yield* sessions.insert(sessionOf(other)), { input: [messageOf("stoa")] }))
        const search = (sought: string, where: Parameters<typeof runs.search>[3] = {}) =>
          Effect.gen(function*() {
            const text = Either.getOrThrow(Find.textOf(sought, "q"))
            const found: Array<number> = []
            for (let cursor: string | undefined, more = true; more;) {
              const page = yield* runs.search(
                owner,
                request(2, cursor),
                { anchor: text.anchor, isIn: (run) => wasSent(text, run) },
                where
              )
              found.push(...page.items.map(({ id }) => made.findIndex((run) => run.id === id)))
              cursor = page.next_cursor ?? undefined
              more = cursor !== undefined
            }
            return found
          })
        assert.deepStrictEqual(yield* search("stoA"), [5, 1, 0])
        assert.deepStrictEqual(yield* search("stoa", { status: "ended" }), [5, 1])
        assert.deepStrictEqual(yield* search("s\0T"), [2])
        assert.deepStrictEqual(yield* search("οδος"), [3])
        assert.deepStrictEqual(yield* search("kelvin \"X\\"), [4])
        assert.deepStrictEqual(yield* search("廊"), [6])
        assert.deepStrictEqual(yield* search("type"), [])
        assert.deepStrictEqual(yield* search("x"), [7, 4])
      }))

    it.effect("finds an owner's records by a piece of their document, whatever is in it", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const [owner, other] = [freshOwner(), freshOwner()]
        const named = (name: string) => `"name":${JSON.stringify(name)}`
        const odd = yield* agents.insert(agentOf(owner, { name: "100% \"_\\ \0 🏛️" }))
        const twin = yield* agents.insert(agentOf(owner, { name: "100% \"_\\ \0 🏛️" }))
        yield* agents.insert(agentOf(owner, { name: "1000 \"x\\ \0 🏛️", system_prompt: named(odd.data.name) }))
        yield* agents.insert(agentOf(other, { name: odd.data.name }))
        assert.deepStrictEqual(yield* agents.holding(owner, named(odd.data.name), 10), [odd, twin])
        assert.deepStrictEqual(yield* agents.holding(owner, named(odd.data.name), 1), [odd])
        assert.deepStrictEqual(yield* agents.holding(owner, named("%"), 10), [])
      }))

    it.effect("narrows lists by column", () =>
      Effect.gen(function*() {
        const storage = yield* Storage
        const owner = freshOwner()
        const agents = yield* Effect.forEach([1, 2], () => storage.agents.insert(agentOf(owner)))
        const sessions = yield* Effect.forEach([0, 1, 0], (i) => storage.sessions.insert(sessionOf(agents[i]!)))
        const ofFirst = yield* storage.sessions.list(owner, request(10), { agent_id: agents[0]!.id })
        assert.deepStrictEqual(ofFirst, { items: [sessions[0]!, sessions[2]!], total: 2, next_cursor: null })
        const onePage = yield* storage.sessions.list(owner, request(1), { agent_id: agents[0]!.id })
        assert.deepStrictEqual([onePage.items.length, onePage.total], [1, 2])
        assert.deepStrictEqual((yield* storage.sessions.host.list(request(10), { agent_id: agents[1]!.id })).items, [
          sessions[1]!
        ])

        const runs = yield* Effect.forEach(["ended", "running", "ended"] as const, (status) =>
          storage.runs.insert(runOf(sessions[0]!, { status })))
        const ended = yield* storage.runs.list(owner, request(10), { session_id: sessions[0]!.id, status: "ended" })
        assert.deepStrictEqual(ended.items, [runs[0]!, runs[2]!])
        yield* storage.runs.modify(owner, runs[0]!.id, (run) => ({ ...run, status: "running" }))
        assert.deepStrictEqual(
          (yield* storage.runs.list(owner, request(10), { status: "ended" }, "newest")).items,
          [runs[2]!]
        )
      }))

    it.effect("modifies atomically", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner(), { name: "0" }))
        const increment = agents.modify(agent.user_id, agent.id, (a) => named(a, String(Number(a.data.name) + 1)))
        const results = yield* Effect.all(Array.from({ length: 50 }, () => increment), { concurrency: "unbounded" })
        assert.strictEqual((yield* agents.get(agent.user_id, agent.id)).data.name, "50")
        assert.strictEqual(new Set(results.map(({ data }) => data.name)).size, 50)
        assert.strictEqual((yield* agents.list(agent.user_id, request(1))).items[0]?.updated_at, later)
      }))

    it.effect("shows a change to every reader at once", () =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const { id, user_id } = yield* agents.insert(agentOf(freshOwner()))
        yield* agents.get(user_id, id)
        yield* agents.modify(user_id, id, rename("Chrysippus"))
        assert.strictEqual((yield* agents.get(user_id, id)).data.name, "Chrysippus")
        yield* agents.host.modify(id, rename("Cleanthes"))
        assert.strictEqual((yield* agents.host.get(id)).data.name, "Cleanthes")
      }))

    it.effect("lands a transaction as a whole", () =>
      Effect.gen(function*() {
        const { agents, sessions, transaction } = yield* Storage
        const agent = agentOf(freshOwner())
        const session = sessionOf(agent)
        const result = yield* transaction(Effect.gen(function*() {
          yield* agents.insert(agent)
          yield* sessions.insert(session)
          yield* agents.modify(agent.user_id, agent.id, rename("inside"))
          return (yield* agents.get(agent.user_id, agent.id)).data.name
        }))
        assert.strictEqual(result, "inside")
        assert.strictEqual((yield* agents.get(agent.user_id, agent.id)).data.name, "inside")
        assert.deepStrictEqual(yield* sessions.get(agent.user_id, session.id), session)
      }))

    it.effect("undoes a failed transaction, and remembers nothing of it", () =>
      Effect.gen(function*() {
        const storage = yield* Storage
        const { agents, sessions } = storage
        const owner = freshOwner()
        const kept = yield* agents.insert(agentOf(owner, { name: "kept" }))
        const gone = yield* agents.insert(agentOf(owner, { name: "gone" }))
        const session = yield* sessions.insert(sessionOf(gone))
        const log = yield* EventLog
        const page = pageOf(session, 1, 3)
        yield* log.append({ pages: [page], runs: [runOf(session)], messages: [placedOf(session, 1, messageOf("hi"))] })
        const made = agentOf(owner)
        for (const how of [Effect.fail("no"), Effect.die("bug"), Effect.interrupt]) {
          const exit = yield* Effect.exit(storage.transaction(Effect.gen(function*() {
            yield* agents.insert(made)
            yield* agents.modify(owner, kept.id, rename("changed"))
            yield* agents.remove(owner, gone.id)
            assert.strictEqual((yield* agents.get(owner, kept.id)).data.name, "changed")
            assert.strictEqual((yield* agents.get(owner, made.id)).id, made.id)
            assert.strictEqual((yield* Effect.flip(sessions.get(owner, session.id)))._tag, "NotFound")
            return yield* how
          })))
          assert.isTrue(Exit.isFailure(exit))
          assert.strictEqual((yield* agents.get(owner, kept.id)).data.name, "kept")
          assert.strictEqual((yield* Effect.flip(agents.get(owner, made.id)))._tag, "NotFound")
          assert.deepStrictEqual(yield* sessions.get(owner, session.id), session)
          assert.strictEqual((yield* agents.list(owner, request(10))).total, 2)
          assert.deepStrictEqual(yield* log.read(session.id, 0, 10), [page])
          assert.strictEqual((yield* log.countMessages(session.id, 0)).count, 1)
          assert.strictEqual((yield* log.open(session.id)).length, 1)
        }
      }))

    it.effect("keeps its own failure through a transaction", () =>
      Effect.gen(function*() {
        const { agents, transaction } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner()))
        assert.strictEqual(
          (yield* Effect.flip(transaction(Effect.fail({ _tag: "SqlError" } as const))))._tag,
          "SqlError"
        )
        assert.strictEqual((yield* Effect.flip(transaction(agents.insert(agent))))._tag, "Conflict")
      }))

    it.effect("goes on in a transaction after a refused insert", () =>
      Effect.gen(function*() {
        const { agents, sessions, transaction } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner()))
        const session = sessionOf(agent)
        yield* transaction(Effect.gen(function*() {
          yield* Effect.flip(agents.insert(agent))
          yield* Effect.flip(sessions.insert({ ...session, agent_id: freshId() as Agent["id"] }))
          yield* sessions.insert(session)
        }))
        assert.deepStrictEqual(yield* sessions.get(agent.user_id, session.id), session)
      }))

    it.effect("nests transactions: an inner failure undoes the inner part only", () =>
      Effect.gen(function*() {
        const { agents, transaction } = yield* Storage
        const owner = freshOwner()
        const [outer, inner, after] = [agentOf(owner), agentOf(owner), agentOf(owner)]
        yield* transaction(Effect.gen(function*() {
          yield* agents.insert(outer)
          yield* Effect.ignore(transaction(Effect.zipRight(agents.insert(inner), Effect.fail("no"))))
          yield* transaction(agents.insert(after))
        }))
        assert.deepStrictEqual((yield* agents.list(owner, request(10))).items, [outer, after])

        const undone = agentOf(owner)
        yield* Effect.ignore(transaction(Effect.zipRight(transaction(agents.insert(undone)), Effect.fail("no"))))
        assert.strictEqual((yield* Effect.flip(agents.get(owner, undone.id)))._tag, "NotFound")
      }))

    it.effect("shows nobody what a transaction has not landed yet", () =>
      Effect.gen(function*() {
        const { agents, transaction } = yield* Storage
        const { id, user_id } = yield* agents.insert(agentOf(freshOwner(), { name: "before" }))
        const changed = yield* Deferred.make<void>()
        const asked = yield* Deferred.make<void>()
        const writer = yield* Effect.fork(transaction(Effect.gen(function*() {
          yield* agents.modify(user_id, id, rename("uncommitted"))
          yield* agents.get(user_id, id)
          yield* Deferred.succeed(changed, undefined)
          yield* Deferred.await(asked)
          yield* Effect.sleep("20 millis")
          return yield* Effect.fail("no")
        })))
        yield* Deferred.await(changed)
        const reader = yield* Effect.fork(agents.get(user_id, id))
        yield* Deferred.succeed(asked, undefined)
        assert.strictEqual((yield* Fiber.join(reader)).data.name, "before")
        assert.isTrue(Exit.isFailure(yield* Fiber.await(writer)))
      }))

    it.effect("runs transactions of many fibers at once", () =>
      Effect.gen(function*() {
        const { agents, transaction } = yield* Storage
        const agent = yield* agents.insert(agentOf(freshOwner(), { name: "0" }))
        const increment = agents.modify(agent.user_id, agent.id, (a) => named(a, String(Number(a.data.name) + 1)))
        const results = yield* Effect.forEach(Array.from({ length: 20 }), (_, i) =>
          Effect.exit(transaction(Effect.zipRight(increment, i % 2 === 0 ? Effect.void : Effect.fail("no")))), {
          concurrency: "unbounded"
        })
        assert.strictEqual(results.filter(Exit.isSuccess).length, 10)
        assert.strictEqual((yield* agents.get(agent.user_id, agent.id)).data.name, "10")
      }))

    it.effect("removes an agent with its sessions, runs, messages and pages, and nothing else", () =>
      Effect.gen(function*() {
        const storage = yield* Storage
        const log = yield* EventLog
        const owner = freshOwner()
        const [doomed, spared] = yield* Effect.forEach([1, 2], () => storage.agents.insert(agentOf(owner)))
        const write = Effect.fnUntraced(function*(agent: Agent) {
          const session = yield* storage.sessions.insert(sessionOf(agent))
          const run = runOf(session)
          yield* log.append({
            pages: [pageOf(session, 1, 2)],
            runs: [run],
            messages: [placedOf(session, 1, messageOf("hi"))]
          })
          yield* storage.runs.get(owner, run.id)
          return { session, run }
        })
        const lost = yield* Effect.forEach([doomed!, doomed!], write)
        const kept = yield* write(spared!)
        yield* storage.agents.remove(owner, doomed!.id)
        for (const { run, session } of lost) {
          assert.strictEqual((yield* Effect.flip(storage.sessions.get(owner, session.id)))._tag, "NotFound")
          assert.strictEqual((yield* Effect.flip(storage.runs.get(owner, run.id)))._tag, "NotFound")
          assert.deepStrictEqual(yield* log.read(session.id, 0, 10), [])
          assert.deepStrictEqual(yield* log.range(session.id), { first: 1, last: 0 })
          assert.strictEqual((yield* log.countMessages(session.id, 0)).count, 0)
        }
        assert.deepStrictEqual(yield* storage.runs.get(owner, kept.run.id), kept.run)
        assert.deepStrictEqual(yield* log.range(kept.session.id), { first: 1, last: 2 })
        assert.strictEqual((yield* storage.sessions.list(owner, request(10))).total, 1)
      }))

    it.effect("keeps any text byte for byte", () =>
      Effect.gen(function*() {
        const { agents, credentials } = yield* Storage
        const owner = freshOwner()
        for (const text of strangeTexts) {
          const name = text.slice(0, 256) || "-"
          const agent = yield* agents.insert(agentOf(owner, { name, system_prompt: text }))
          const settings = {
            text,
            list: [text, { [`key ${name}`]: null }],
            nested: JSON.parse("[".repeat(64) + "]".repeat(64))
          }
          const credential = yield* credentials.insert(credentialOf(owner, { name: text, settings, sealed: text }))
          yield* agents.remove(owner, (yield* agents.insert(agentOf(owner))).id)
          assert.deepStrictEqual(yield* agents.get(owner, agent.id), agent)
          assert.deepStrictEqual(yield* credentials.get(owner, credential.id), credential)
          const changed = yield* agents.modify(
            owner,
            agent.id,
            (a) => ({ ...a, data: { ...a.data, name: name.slice(1) || "-" } })
          )
          assert.strictEqual(changed.data.name, name.slice(1) || "-")
        }
        assert.deepStrictEqual(
          (yield* agents.list(owner, request(50))).items.map(({ data }) => data.system_prompt),
          strangeTexts
        )
      }))
  })
