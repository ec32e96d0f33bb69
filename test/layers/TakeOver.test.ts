/** When a process goes on with what another one drove, on one memory that both share. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { kindOf } from "../support/events.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, everything, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"

/** What is promised to users, in milliseconds. */
const promised = 15_000

/** Two processes that hear each other. */
const two = Effect.gen(function*() {
  const peers = bus()
  const [one, other] = [peers.join(), peers.join()]
  const a = yield* live({ peers: one.layer })
  const b = yield* live({ peers: other.layer })
  return { a, b, one, other, looks: Effect.sync(peers.looks) }
})

const resumed = (session: Session) =>
  Effect.map(everything(session), (events) => events.filter(({ event }) => kindOf(event) === "run_resumed").length)

/** Waits until whoever looks for orphans has looked so often more. */
const looked = (looks: Effect.Effect<number>, times: number) =>
  Effect.flatMap(looks, (before) => eventually("looked", looks, (now) => now >= before + times))

describe("A run of a process that is dead", () => {
  layer(Host.memory, { excludeTestServices: true, timeout: patience(60_000) })("over memory", (it) => {
    it.scoped("is taken over in time, with what waits behind it, and not before the process is gone", () =>
      Effect.gen(function*() {
        const { a, b, looks, one, other } = yield* two
        const session = yield* a.do(conversation())
        const going = yield* a.do(say(session, "sleep 300\nsay done"))
        const left = yield* b.do(say(session, "say next"))
        // It is cut off from storage and yet lives: what it drives stays its own.
        yield* a.kill
        yield* looked(looks, 4)
        assert.strictEqual(yield* resumed(session), 0)
        assert.deepInclude(yield* storedRun(session, going.run_id), { status: "running", driver: one.self, attempt: 1 })
        const since = Date.now()
        yield* one.gone
        yield* eventually("taken over", resumed(session), (times) => times === 1)
        assert.isBelow(Date.now() - since, patience(promised))
        const hub = yield* b.do(SessionHub)
        assert.strictEqual(textOf((yield* hub.reply(session, going.run_id, going.seq)).content), "done")
        assert.strictEqual(textOf((yield* hub.reply(session, left.run_id, left.seq)).content), "next")
        assert.deepInclude(yield* storedRun(session, going.run_id), { driver: other.self, attempt: 2 })
        assert.strictEqual(yield* resumed(session), 1)
      }))

    it.scoped("is left alone when the process was away for one look only", () =>
      Effect.gen(function*() {
        const peers = bus()
        const [one, other] = [peers.join(), peers.join()]
        const a = yield* live({ peers: one.layer })
        const session = yield* a.do(conversation())
        const going = yield* a.do(say(session, "sleep 60000"))
        yield* live({ peers: other.layer })
        const looks = Effect.sync(peers.looks)
        for (let i = 0; i < 3; i++) {
          const back = peers.hide(one.self)
          yield* looked(looks, 1)
          back()
          yield* looked(looks, 1)
        }
        assert.strictEqual(yield* resumed(session), 0)
        assert.deepInclude(yield* storedRun(session, going.run_id), { driver: one.self, attempt: 1 })
      }))

    it.scoped("is taken over by one of those that are left, and not by each", () =>
      Effect.gen(function*() {
        const peers = bus()
        const members = [peers.join(), peers.join(), peers.join(), peers.join()]
        const [a, ...others] = yield* Effect.forEach(members, ({ layer }) => live({ peers: layer }))
        const sessions = yield* Effect.forEach([1, 2, 3, 4], () => a!.do(conversation()))
        const going = yield* Effect.forEach(sessions, (session) => a!.do(say(session, "sleep 100\nsay done")))
        yield* a!.kill
        yield* members[0]!.gone
        const hub = yield* others[0]!.do(SessionHub)
        for (const [i, session] of sessions.entries()) {
          const { run_id, seq } = going[i]!
          assert.strictEqual(textOf((yield* hub.reply(session, run_id, seq)).content), "done")
          const events = yield* everything(session)
          assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))
          assert.lengthOf(events.filter(({ event }) => event.type === "REPLY_END"), 1)
        }
      }))
  })
})
