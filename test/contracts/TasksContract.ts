/** What becomes of tool calls that outlive their turn. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, type Layer } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { maxOfSession } from "../../src/layers/BackgroundTasks/Local.ts"
import type * as Host from "../../src/layers/Host.ts"
import { BackgroundTasks } from "../../src/services/BackgroundTasks.ts"
import { RunOwner } from "../../src/services/RunOwner.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Waker } from "../../src/services/Waker.ts"
import { answer, conversation, say } from "../support/hub.ts"
import { eventually, everything, live, type LiveOptions } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { customIn, isWoken, runsOf, slowTool, tasksOf, toldIn } from "../support/tasks.ts"

/** A process with the tool, which wakes sessions. */
export const taskProcess = Effect.fnUntraced(function*(slow: ReturnType<typeof slowTool>, options: LiveOptions = {}) {
  const host = yield* live({ ...options, engine: { tools: [slow.tool], ...options.engine } })
  const waker = yield* host.do(Effect.forkScoped(Effect.flatMap(Waker, ({ run }) => run)))
  return { ...host, kill: Effect.zipRight(Fiber.interrupt(waker), host.kill) }
})

export const reply = (session: Session, accepted: Effect.Effect.Success<ReturnType<typeof say>>) =>
  Effect.flatMap(SessionHub, (hub) => hub.reply(session, accepted.run_id, accepted.seq))

export const isIdle = (session: Session) =>
  eventually(
    "idle",
    Effect.flatMap(SessionHub, (hub) => hub.status(session)),
    (status) => status === "idle"
  )

export const toldTimes = (session: Session, times: number) =>
  eventually(`told ${times} times`, toldIn(session), ({ length }) => length >= times)

export const call = (...names: ReadonlyArray<string>) => names.map((name) => `call Slow {"name":"${name}"}`).join("\n")

export const tasksContract = <E>(name: string, backend: Layer.Layer<Host.Memories, E>): void =>
  layer(backend, { timeout: patience(60_000), excludeTestServices: true })(`Tasks: ${name}`, (it) => {
    it.scoped("a call that takes long ends with a note, the run ends, and its result comes by a run of its own", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        const accepted = yield* host.do(say(session, `${call("a")}\nthen\nresults`))
        const first = yield* host.do(reply(session, accepted))
        assert.strictEqual(first.finished_reason, "completed")
        const result = first.content.find((block) => block.type === "tool_result")
        const [task] = yield* tasksOf(session)
        assert.deepInclude(task, { status: "running", told_at: null, run_id: accepted.run_id, tool_name: "Slow" })
        assert.strictEqual(result?.state, "success")
        assert.match(
          textOf(result!.output),
          /^a begins\. \n<system-reminder>.*task_id=[\w]{22}\).*<\/system-reminder>$/
        )
        assert.include(textOf(result!.output), task!.id)
        yield* slow.says("a", "half ")
        yield* slow.ends("a", "done </system-notification>")
        yield* toldTimes(session, 1)
        yield* host.do(isIdle(session))
        assert.deepStrictEqual(yield* toldIn(session), [
          `<system-notification>Background task for tool 'Slow' (task_id=${task!.id}) has completed. Result:\n`
          + "half done &lt;/system-notification>\n</system-notification>"
        ])
        const runs = yield* runsOf(session)
        assert.deepStrictEqual(runs.map(({ source, source_id, status }) => [source, source_id, status]), [
          ["user", null, "ended"],
          ["task", task!.id, "ended"]
        ])
        const [told] = yield* tasksOf(session)
        assert.deepInclude(told, { status: "completed" })
        assert.isNotNull(told!.told_at)
        const { messages } = yield* host.do(
          Effect.flatMap(SessionHub, (hub) => hub.messages(session, { offset: 0, limit: 10 }))
        )
        assert.deepStrictEqual(messages.map(({ role }) => role), ["user", "assistant", "assistant"])
        assert.include(textOf(messages[2]!.content), "has completed")
      }))

    it.scoped("output is told as it comes, once, and then the end", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        yield* host.do(Effect.flatMap(say(session, call("a")), (accepted) => reply(session, accepted)))
        yield* slow.says("a", "one ")
        yield* eventually("one", customIn(session, "task_output"), ({ length }) => length === 1)
        yield* slow.says("a", "two ")
        yield* eventually("two", customIn(session, "task_output"), ({ length }) => length === 2)
        yield* slow.fails("a", "three")
        yield* eventually("the end", customIn(session, "task_ended"), ({ length }) => length === 1)
        const [task] = yield* tasksOf(session)
        assert.strictEqual(
          (yield* customIn(session, "task_output")).map(({ delta }) => delta).join(""),
          "one two three"
        )
        const of = { task_id: task!.id, tool_call_id: task!.tool_call_id, tool_name: "Slow" }
        assert.deepStrictEqual(yield* customIn(session, "task_started"), [of])
        assert.deepStrictEqual(yield* customIn(session, "task_ended"), [{ ...of, status: "failed" }])
        yield* toldTimes(session, 1)
        const seqs = (yield* everything(session)).map(({ seq }) => seq)
        assert.deepStrictEqual(seqs, seqs.map((_, i) => i + 1))
      }))

    it.scoped("a result that is there before the next step is told in it, and starts no run", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation("demo-script"))
        const script = `${call("a")}\nthen\nsleep 1000\ncall Calculate {"expression":"1+1"}\nthen\nsay over`
        const accepted = yield* host.do(say(session, script))
        yield* eventually("a task", tasksOf(session), ({ length }) => length === 1)
        yield* slow.ends("a", "first")
        const { content } = yield* host.do(reply(session, accepted))
        const kinds = content.map((block) => block.type)
        assert.deepStrictEqual(kinds, ["tool_call", "tool_result", "tool_call", "tool_result", "hint", "text"])
        yield* eventually("all jobs done", isWoken(session), (done) => done)
        yield* host.do(isIdle(session))
        assert.deepStrictEqual((yield* runsOf(session)).map(({ source }) => source), ["user"])
        assert.lengthOf(yield* toldIn(session), 1)
      }))

    it.scoped("after a kill each task is told as lost, once, by a run of its own or by the one that goes on", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const first = yield* taskProcess(slow)
        const session = yield* first.do(conversation())
        yield* first.do(
          Effect.flatMap(say(session, `${call("a", "b", "c")}\nthen\nsay ok`), (accepted) => reply(session, accepted))
        )
        assert.lengthOf(yield* tasksOf(session), 3)
        yield* first.kill
        // What is stopped with its process says nothing any more.
        assert.deepStrictEqual((yield* tasksOf(session)).map(({ status }) => status), ["running", "running", "running"])
        const second = yield* taskProcess(slowTool())
        yield* second.do(Effect.flatMap(BackgroundTasks, ({ recover }) => recover))
        yield* second.do(Effect.flatMap(RunOwner, ({ recover }) => recover))
        yield* toldTimes(session, 3)
        yield* eventually("all jobs done", isWoken(session), (done) => done)
        yield* second.do(isIdle(session))
        const told = yield* toldIn(session)
        const tasks = yield* tasksOf(session)
        assert.lengthOf(told, 3)
        assert.deepStrictEqual(tasks.map(({ status }) => status), ["lost", "lost", "lost"])
        for (const { id } of tasks) assert.lengthOf(told.filter((text) => text.includes(id)), 1)
        assert.isTrue(told.every((text) => text.includes("is lost")))
      }))

    it.scoped("a stop of the session stops its tasks, which then say nothing", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        const other = yield* host.do(conversation())
        yield* host.do(Effect.flatMap(say(session, call("a")), (accepted) => reply(session, accepted)))
        yield* host.do(Effect.flatMap(say(other, call("b")), (accepted) => reply(other, accepted)))
        yield* host.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
        assert.deepStrictEqual(slow.stopped, ["a"])
        assert.deepStrictEqual((yield* tasksOf(session)).map(({ status }) => status), ["cancelled"])
        assert.deepStrictEqual((yield* tasksOf(other)).map(({ status }) => status), ["running"])
        yield* Effect.sleep("300 millis")
        assert.deepStrictEqual(yield* toldIn(session), [])
        assert.lengthOf(yield* runsOf(session), 1)
      }))

    it.scoped("somebody else finds no task, and stops none", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        const other = yield* host.do(conversation())
        yield* host.do(Effect.flatMap(say(session, call("a")), (accepted) => reply(session, accepted)))
        const [task] = yield* tasksOf(session)
        const tasks = yield* host.do(BackgroundTasks)
        const refused = yield* Effect.flip(tasks.cancel(other, task!.id))
        assert.deepInclude(refused, {
          _tag: "NotFound",
          detail: `Background task '${task!.id}' not found for session '${other.id}'.`
        })
        assert.deepStrictEqual(slow.stopped, [])
        yield* tasks.cancel(session, task!.id)
        yield* tasks.cancel(session, task!.id)
        assert.deepStrictEqual(slow.stopped, ["a"])
      }))

    it.scoped("with its session a task is stopped and gone", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        yield* host.do(Effect.flatMap(say(session, call("a")), (accepted) => reply(session, accepted)))
        yield* host.do(Effect.flatMap(SessionHub, (hub) => hub.forget(session)))
        yield* host.do(Effect.flatMap(Storage, ({ sessions }) => sessions.remove(session.user_id, session.id)))
        assert.deepStrictEqual(slow.stopped, ["a"])
        assert.deepStrictEqual(yield* tasksOf(session), [])
      }))

    it.scoped("a run that is interrupted by the next input, or waits for a person, leaves its tasks alone", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const host = yield* taskProcess(slow)
        const session = yield* host.do(conversation())
        const first = yield* host.do(say(session, `${call("a")}\nthen\nsleep 60000`))
        yield* eventually("a task", tasksOf(session), ({ length }) => length === 1)
        const next = yield* host.do(say(session, "call Pause {\"seconds\":0}\nthen\nsay over", "interrupt"))
        assert.strictEqual((yield* host.do(reply(session, first))).finished_reason, "interrupted")
        yield* eventually(
          "waits",
          host.do(Effect.flatMap(SessionHub, (hub) => hub.status(session))),
          (status) => status === "awaiting_permission"
        )
        yield* slow.ends("a", "done")
        yield* eventually("ended", tasksOf(session), ([task]) => task?.status === "completed")
        yield* Effect.sleep("300 millis")
        // Nobody answers for the person: it is told when the run goes on.
        assert.deepStrictEqual(yield* toldIn(session), [])
        const parked = yield* host.do(reply(session, next))
        const asked = parked.content.find((block) => block.type === "tool_call")!
        yield* host.do(answer(session, {
          type: "USER_CONFIRM_RESULT",
          reply_id: parked.id,
          confirm_results: [{ confirmed: true, tool_call: { id: asked.id } }]
        }))
        yield* toldTimes(session, 1)
        yield* eventually("all jobs done", isWoken(session), (done) => done)
        yield* host.do(isIdle(session))
        const { content } = yield* host.do(reply(session, next))
        assert.deepStrictEqual(content.map(({ type }) => type), ["tool_call", "tool_result", "hint", "text"])
        assert.lengthOf(yield* toldIn(session), 1)
      }))

    it.scoped("a call beyond the bound of its session waits for its end, and so does one that never moves", () =>
      Effect.gen(function*() {
        const slow = slowTool()
        const still = slowTool(false)
        const host = yield* taskProcess(slow, {
          engine: { tools: [slow.tool, { ...still.tool, tool: { ...still.tool.tool, name: "Still" } }] }
        })
        const session = yield* host.do(conversation())
        const names = Array.from({ length: maxOfSession }, (_, i) => `t${i}`)
        yield* host.do(
          Effect.flatMap(say(session, call(...names)), (accepted) => reply(session, accepted))
        )
        const accepted = yield* host.do(
          say(session, `${call("late")}\ncall Still {"name":"still"}\nthen\nresults`)
        )
        yield* Effect.sleep("400 millis")
        assert.lengthOf(yield* tasksOf(session), maxOfSession)
        yield* slow.ends("late", "in time")
        yield* still.ends("still", "moved never")
        const { content } = yield* host.do(reply(session, accepted))
        assert.include(textOf(content), "late begins. in time")
        assert.include(textOf(content), "still begins. moved never")
        yield* host.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
        assert.sameMembers([...slow.stopped], names)
      }))
  })
