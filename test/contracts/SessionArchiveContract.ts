/** What looking through sessions promises, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer, Stream } from "effect"
import type { Message } from "../../src/domain/Message.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { EventLog, type PlacedMessage } from "../../src/services/EventLog.ts"
import { SessionArchive } from "../../src/services/SessionArchive.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { agentOf, freshOwner, messageOf, placedOf, sessionOf } from "../support/fixtures.ts"
import { conversation, converse, say } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

/** Everything that a search finds, and in how many pages. */
const searched = Effect.fnUntraced(function*(owner: Session["user_id"], q: string, limit = 100, more = {}) {
  const archive = yield* SessionArchive
  const found: Array<string> = []
  let pages = 0
  for (let cursor: string | undefined, isMore = true; isMore; pages++) {
    const page = yield* archive.search(owner, { q, limit, cursor, ...more })
    found.push(...page.items.map(({ id }) => id))
    cursor = page.next_cursor ?? undefined
    isMore = cursor !== undefined
  }
  return { found, pages }
})

const write = (session: Session, messages: ReadonlyArray<Message>, first = 1) =>
  Effect.flatMap(EventLog, (log) =>
    log.append({
      pages: [],
      runs: [],
      messages: messages.map((message, i): PlacedMessage => placedOf(session, first + i, message))
    }))

export const sessionArchiveContract = <E>(name: string, memories: Layer.Layer<Host.Memories, E>): void =>
  layer(Host.over(memories), { timeout: patience(120_000), excludeTestServices: true })(
    `Session archive contract: ${name}`,
    (it) => {
      it.effect("finds sessions by their name and by what was said, newest first, and nobody else's", () =>
        Effect.gen(function*() {
          const { agents, sessions } = yield* Storage
          const owner = freshOwner()
          const agent = yield* agents.insert(agentOf(owner))
          const other = yield* agents.insert(agentOf(owner))
          const foreign = yield* agents.insert(agentOf(freshOwner()))
          const make = (of = agent, called = "talk") =>
            Effect.flatMap(
              Effect.sync(() => sessionOf(of)),
              (session) => sessions.insert({ ...session, config: { ...session.config, name: called } })
            )
          const named = yield* make(agent, "Walks in the STOA")
          const said = yield* make(other)
          const thought = yield* make()
          const strange = yield* make()
          yield* make(foreign, "stoa")
          yield* write(said, [messageOf("nothing"), messageOf("The stoa \0 \"is\" open. ΟΔΟΣ"), messageOf("later")])
          yield* write(thought, [
            messageOf("", {
              content: [
                { type: "thinking", id: "b" as never, thinking: "stoa" },
                { type: "text", id: "c" as never, text: "sto" },
                { type: "text", id: "d" as never, text: "a" }
              ]
            })
          ])
          yield* write(strange, [messageOf("\u0130 \u212aelvin \ud800 柱廊")])
          const find = (q: string, limit?: number, more?: object) =>
            Effect.map(searched(owner, q, limit, more), ({ found }) => found)
          assert.deepStrictEqual(yield* find("Stoa"), [said.id, named.id])
          assert.deepStrictEqual(yield* find("stoa", 1), [said.id, named.id])
          assert.deepStrictEqual(yield* find("stoa", 100, { agent_id: other.id }), [said.id])
          assert.deepStrictEqual(yield* find("\0 \"IS\""), [said.id])
          assert.deepStrictEqual(yield* find("οδος"), [said.id])
          assert.deepStrictEqual(yield* find("kelvin"), [strange.id])
          assert.deepStrictEqual(yield* find("柱"), [strange.id])
          assert.deepStrictEqual(yield* find("user"), [])
          const archive = yield* SessionArchive
          const page = { limit: 10, cursor: undefined }
          assert.strictEqual((yield* Effect.flip(archive.search(owner, { ...page, q: " \n" })))._tag, "Invalid")
          for (const cursor of ["x", "AA", Buffer.from("id@99999999999").toString("base64url")]) {
            assert.strictEqual(
              (yield* Effect.flip(archive.search(owner, { ...page, q: "a", cursor })))._tag,
              "Malformed"
            )
          }
          // A cursor that names another's session shows nothing of it.
          const elsewhere = (yield* sessions.list(foreign.user_id, page)).items[0]!.id
          const cursor = Buffer.from(`${elsewhere}@5`).toString("base64url")
          const { items } = yield* archive.search(owner, { ...page, q: "stoa", cursor })
          assert.notInclude(items.map(({ id }) => id), elsewhere)
        }))

      it.effect("looks at no more than its bounds for one page, goes on within a session, and misses nothing", () =>
        Effect.gen(function*() {
          const { agents, sessions } = yield* Storage
          const agent = yield* agents.insert(agentOf(freshOwner()))
          const owner = agent.user_id
          const make = Effect.flatMap(Effect.sync(() => sessionOf(agent)), sessions.insert)
          const old = yield* make
          yield* write(old, [messageOf("the needle")])
          const long = yield* make
          yield* Effect.forEach(
            Array.from({ length: 40 }, (_, i) => i),
            (i) => write(long, [messageOf(i === 2 ? "a needle" : "x".repeat(1024 * 1024))], i + 1),
            { discard: true }
          )
          yield* Effect.replicateEffect(make, 250)
          const { found, pages } = yield* searched(owner, "needle")
          assert.deepStrictEqual(found, [long.id, old.id])
          assert.isAbove(pages, 2)
        }))

      it.effect("gives a whole transcript of 20,000 messages, piece by piece, each once and in order", () =>
        Effect.gen(function*() {
          const archive = yield* SessionArchive
          const { agents, sessions } = yield* Storage
          const agent = yield* agents.insert(agentOf(freshOwner()))
          const session = yield* sessions.insert(sessionOf(agent))
          for (let from = 0; from < 20_000; from += 1000) {
            yield* write(
              session,
              Array.from({ length: 1000 }, (_, i) => messageOf(`m${from + i} ${"x".repeat(200)}`)),
              from + 1
            )
          }
          let count = 0
          let largest = 0
          yield* Stream.runForEach(archive.transcript(session), (messages) =>
            Effect.sync(() => {
              for (const { content: [block] } of messages) {
                assert.isTrue(block?.type === "text" && block.text.startsWith(`m${count++} `))
              }
              largest = Math.max(largest, messages.length)
            }))
          assert.deepStrictEqual([count, largest], [20_000, 200])
        }))

      it.effect("gives the unfinished reply last", () =>
        Effect.gen(function*() {
          const archive = yield* SessionArchive
          const hub = yield* SessionHub
          const session = yield* conversation()
          yield* converse(session, "say first")
          const going = yield* say(session, "say second\nsleep 60000")
          const texts = Effect.map(Stream.runCollect(archive.transcript(session)), (chunks) =>
            [...chunks].flat().map(({ content, role }) =>
              `${role} ${
                content.map((block) => block.type === "text" ? block.text : "").join("").split("\n")[0]
              }`
            ))
          const seen = yield* Effect.repeat(Effect.delay(texts, "20 millis"), {
            until: (all) => all.at(-1) === "assistant second",
            times: patience(1_500)
          })
          assert.deepStrictEqual(seen, ["user say first", "assistant first", "user say second", "assistant second"])
          yield* hub.cancel(session, going.run_id)
        }))
    }
  )
