/** A transcript read forth, as clients of 2.0.0 do, and back from its end, as newer ones do. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { SessionId, UserId } from "../../src/domain/Ids.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { messageOf } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0

const settled = Effect.gen(function*() {
  const { call, watch } = yield* Host
  const user = `pager-${owners++}`
  const send = (method: string, path: string, body?: unknown) =>
    call(method, path, { user, ...body !== undefined && { body } })
  const { json: { agent_id } } = yield* send("POST", "/agent", { name: "Friday" })
  const { json: { credential_id } } = yield* send("POST", "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { json: { session_id } } = yield* send("POST", "/sessions", { agent_id, chat_model_config })
  const path = `/sessions/${session_id}/messages`
  const page = (query: string) =>
    Effect.map(send("GET", `${path}?${query}`), ({ json, status, text }) => {
      assert.strictEqual(status, 200, text)
      return json as {
        readonly messages: ReadonlyArray<{ readonly id: string; readonly content: ReadonlyArray<object> }>
        readonly total: number
        readonly has_more: boolean
        readonly is_running: boolean
        readonly next_cursor: string | null
      }
    })
  const say = (text: string) => ({ agent_id, session_id, input: { content: text } })
  return { user, send, watch, agent_id, session_id: session_id as SessionId, path, page, say }
})

/** Puts messages into a transcript, with gaps between their places, as there are in a real one. */
const write = Effect.fnUntraced(function*(session_id: SessionId, owner: string, count: number, text = "") {
  const log = yield* EventLog
  const ids: Array<string> = []
  for (let i = 0; i < count; i += 1_000) {
    const messages = Array.from({ length: Math.min(1_000, count - i) }, (_, j) => {
      const message = messageOf(`${text}${i + j}`)
      ids.push(message.id)
      return { session_id, owner: owner as UserId, seq: 5 * (i + j) + 1, message }
    })
    yield* log.append({ pages: [], runs: [], messages })
  }
  return ids
})

const idsOf = ({ messages }: { readonly messages: ReadonlyArray<{ readonly id: string }> }) =>
  messages.map(({ id }) => id)

layer(TestHost.layer(), { excludeTestServices: true, timeout: patience(60_000) })("A transcript", (it) => {
  describe("of 20,000 messages", () => {
    it.effect("is read forth and back without a gap or a repeat, by each way to go on", () =>
      Effect.gen(function*() {
        const { page, session_id, user } = yield* settled
        const ids = yield* write(session_id, user, 20_000)
        const forth: Array<string> = []
        for (let more = true; more;) {
          const { has_more, messages, total } = yield* page(`offset=${forth.length}&limit=200`)
          assert.strictEqual(total, 20_000)
          forth.push(...messages.map(({ id }) => id))
          more = has_more
        }
        assert.deepStrictEqual(forth, ids)
        let first = yield* page("limit=200")
        const back = [...idsOf(first)]
        while (first.has_more) {
          first = yield* page(`before=${back[0]}&limit=200`)
          back.unshift(...idsOf(first))
        }
        assert.deepStrictEqual(back, ids)
        let cursor = (yield* page("limit=200")).next_cursor
        let last: ReadonlyArray<string> = []
        let pages = 1
        for (; cursor !== null; pages++) {
          const next = yield* page(`cursor=${cursor}&limit=200`)
          last = idsOf(next)
          cursor = next.next_cursor
        }
        assert.strictEqual(pages, 100)
        assert.deepStrictEqual(last, ids.slice(0, 200))
      }), 120_000)
  })

  it.effect("is shown from its newest messages on, oldest first, to who names no place", () =>
    Effect.gen(function*() {
      const { page, session_id, user } = yield* settled
      const ids = yield* write(session_id, user, 120)
      const newest = yield* page("")
      assert.deepStrictEqual(idsOf(newest), ids.slice(70))
      assert.isTrue(newest.has_more)
      assert.deepStrictEqual(idsOf(yield* page("offset=0")), ids.slice(0, 50))
      const oldest = yield* page(`before=${ids[20]}`)
      assert.deepStrictEqual(idsOf(oldest), ids.slice(0, 20))
      assert.deepStrictEqual([oldest.has_more, oldest.next_cursor], [false, null])
      const none = yield* page(`before=${ids[0]}`)
      assert.deepStrictEqual([none.messages, none.has_more], [[], false])
    }))

  it.effect("has pages that are bounded in bytes in both directions, and each message is in one of them", () =>
    Effect.gen(function*() {
      const { page, session_id, user } = yield* settled
      const ids = yield* write(session_id, user, 12, "x".repeat(1024 * 1024))
      const forth: Array<string> = []
      for (let more = true; more;) {
        const one = yield* page(`offset=${forth.length}`)
        assert.isAtMost(one.messages.length, 4)
        forth.push(...idsOf(one))
        more = one.has_more
      }
      assert.deepStrictEqual(forth, ids)
      let one = yield* page("")
      const back = [...idsOf(one)]
      while (one.has_more) {
        one = yield* page(`before=${back[0]}`)
        assert.isAtMost(one.messages.length, 4)
        back.unshift(...idsOf(one))
      }
      assert.deepStrictEqual(back, ids)
    }))

  it.effect("is told apart from others: a message of another session, an unknown and a removed one are not found", () =>
    Effect.gen(function*() {
      const { path, send, session_id, user } = yield* settled
      const others = yield* settled
      yield* write(session_id, user, 3)
      const elsewhere = yield* write(others.session_id, others.user, 3)
      assert.strictEqual((yield* others.send("DELETE", `/sessions/${others.session_id}`)).status, 204)
      const second = yield* settled
      const foreign = yield* write(second.session_id, second.user, 3)
      for (const id of [elsewhere[1], foreign[1], "0".repeat(32), "no-message"]) {
        const { json, status } = yield* send("GET", `${path}?before=${id}`)
        assert.strictEqual(status, 404)
        assert.include(json.detail, `Message '${id}' not found`)
      }
    }))

  it.effect("has one place in a request: two of them are refused, and so is a cursor that was made up", () =>
    Effect.gen(function*() {
      const { path, send, session_id, user } = yield* settled
      const ids = yield* write(session_id, user, 3)
      for (const query of [`before=${ids[1]}&offset=0`, `offset=0&cursor=MQ`, `before=${ids[1]}&cursor=MQ`]) {
        const { json, status } = yield* send("GET", `${path}?${query}`)
        assert.strictEqual(status, 422)
        assert.include(json.detail, "one place")
      }
      for (const key of ["before:", "later:x", "-1"]) {
        const cursor = Buffer.from(key).toString("base64url")
        assert.strictEqual((yield* send("GET", `${path}?cursor=${cursor}`)).status, 400)
      }
      for (const query of ["offset=-1", "offset=x", "limit=0", "limit=201"]) {
        assert.strictEqual((yield* send("GET", `${path}?${query}`)).status, 422)
      }
    }))

  it.effect("ends with the reply in the making, in both directions, once, and goes back from it", () =>
    Effect.gen(function*() {
      const { page, say, send, session_id, watch, user, path } = yield* settled
      yield* send("POST", "/chat", say("say one"))
      yield* send("POST", "/chat/async", say("say begun\nsleep 60000"))
      const stream = yield* watch("GET", `/sessions/${session_id}/stream`, { user })
      yield* stream.until((text) => text.includes("begun"))
      const whole = yield* page("")
      assert.deepStrictEqual([whole.messages.length, whole.total, whole.has_more, whole.is_running], [
        4,
        4,
        false,
        true
      ])
      const ids = idsOf(whole)
      const making = whole.messages[3]!
      assert.include(JSON.stringify(making.content), "begun")
      for (const limit of [1, 2, 3, 4]) {
        const forth: Array<string> = []
        for (let more = true; more;) {
          const one = yield* page(`offset=${forth.length}&limit=${limit}`)
          assert.strictEqual(one.total, 4)
          forth.push(...idsOf(one))
          more = one.has_more
        }
        assert.deepStrictEqual(forth, ids)
        let one = yield* page(`limit=${limit}`)
        const back = [...idsOf(one)]
        while (one.has_more) {
          one = yield* page(`limit=${limit}&before=${back[0]}`)
          back.unshift(...idsOf(one))
        }
        assert.deepStrictEqual(back, ids)
      }
      assert.deepStrictEqual(idsOf(yield* page(`before=${making.id}`)), ids.slice(0, 3))
      yield* send("POST", `/sessions/${session_id}/interrupt`)
      assert.deepStrictEqual(idsOf(yield* page("")), ids)
      assert.strictEqual((yield* send("GET", `${path}?before=${making.id}`)).status, 200)
    }).pipe(Effect.scoped))
})
