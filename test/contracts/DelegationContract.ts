/** What work that agents hand to others promises over the end of the server, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import type { RunId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import type * as Host from "../../src/layers/Host.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Waker } from "../../src/services/Waker.ts"
import { agentOf } from "../support/fixtures.ts"
import { conversation, say } from "../support/hub.ts"
import { eventually, type Live, live } from "../support/live.ts"
import { patience } from "../support/Patience.ts"

/** A session whose agent may hand work over, and another agent of the same owner. */
const boss = Effect.gen(function*() {
  const { agents } = yield* Storage
  const session = yield* conversation("demo-script", { parameters: { delay_ms: 20 } })
  yield* agents.modify(session.user_id, session.agent_id, (agent) => ({
    ...agent,
    data: { ...agent.data, tools: ["delegate_to_agent"] }
  }))
  yield* agents.insert(agentOf(session.user_id, { name: "worker" }))
  return session
})

const handing = (message: string) =>
  `call delegate_to_agent ${JSON.stringify({ agent_id: "worker", message })}\nthen\nresults`

const handedBy = (session: Session, run: RunId) =>
  Effect.flatMap(Storage, ({ runs }) =>
    Effect.map(
      runs.list(session.user_id, { limit: 10, cursor: undefined }, { source: "agent", source_id: run }),
      ({ items }) => items
    ))

const begun = (host: Live, session: Session, run: RunId) =>
  eventually(
    "the other works",
    host.do(handedBy(session, run)),
    ([child]) => child?.status === "running" && child.first_seq !== null
  )

export const delegationContract = <E>(name: string, storage: Layer.Layer<Host.Memories, E>): void =>
  layer(storage, { timeout: patience(120_000), excludeTestServices: true })(`Delegation: ${name}`, (it) => {
    it.scoped("goes on after the server has died, hands nothing over twice, and knows the answer", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(boss)
        const { run_id, seq } = yield* first.do(say(session, handing("repeat 60 word ")))
        yield* begun(first, session, run_id)
        yield* first.kill
        const second = yield* live()
        yield* second.do(Effect.flatMap(RunOwner, ({ recover }) => recover))
        const reply = yield* second.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, run_id, seq)))
        assert.strictEqual(reply.finished_reason, "completed", JSON.stringify(reply.error))
        assert.include(textOf(reply.content), "word word")
        const children = yield* second.do(handedBy(session, run_id))
        assert.deepStrictEqual(children.map(({ attempt, finished_reason }) => [attempt, finished_reason]), [[
          2,
          "completed"
        ]])
      }))

    it.scoped("stops what a run has handed over when the run was stopped and the server died then", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(boss)
        const { run_id } = yield* first.do(say(session, handing("sleep 600000")))
        yield* begun(first, session, run_id)
        // Nothing does jobs here: the stop of the other is a row, and nothing more.
        yield* first.do(Effect.flatMap(SessionHub, (hub) => hub.cancel(session, run_id)))
        yield* first.kill
        const second = yield* live()
        yield* second.do(Effect.flatMap(RunOwner, ({ recover }) => recover))
        yield* Effect.forkScoped(second.do(Effect.flatMap(Waker, ({ run }) => run)))
        const [child] = yield* eventually(
          "the other is stopped",
          second.do(handedBy(session, run_id)),
          ([child]) => child?.status === "ended"
        )
        assert.strictEqual(child?.finished_reason, "interrupted")
      }))

    it.scoped("leaves what it has handed over alone when the server stops", () =>
      Effect.gen(function*() {
        const first = yield* live()
        const session = yield* first.do(boss)
        const { run_id } = yield* first.do(say(session, handing("sleep 600000")))
        yield* begun(first, session, run_id)
        yield* first.end
        const { runs } = yield* Storage
        const { items } = yield* runs.list(session.user_id, { limit: 10, cursor: undefined })
        assert.deepStrictEqual(items.map(({ status }) => status), ["running", "running"])
      }))
  })
