/** A tool whose calls end when a test says so, and what a session has been told of its tasks. */
import { Deferred, Effect, Schema } from "effect"
import { type BackgroundTask, taskIdOf } from "../../src/domain/BackgroundTask.ts"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { RunId, ToolCallId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Session } from "../../src/domain/Session.ts"
import { define, ToolFailed, type ToolIo } from "../../src/layers/Toolbox/BuiltInTool.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { NewId } from "../../src/services/NewId.ts"
import { now } from "../../src/services/Now.ts"
import { Storage } from "../../src/services/Storage.ts"
import { everything } from "./live.ts"

/** `name` is the argument of a call, and its key. */
export const slowTool = (background: number | false = 0.05) => {
  const calls = new Map<string, { readonly io: ToolIo; readonly end: Deferred.Deferred<string, ToolFailed> }>()
  const stopped: Array<string> = []
  const tool = define({
    name: "Slow",
    description: "Takes its time.",
    effect: "none",
    idempotent: false,
    background,
    parameters: Schema.Struct({ name: Schema.String }),
    run: ({ name }, _, io) =>
      Effect.gen(function*() {
        const end = yield* Deferred.make<string, ToolFailed>()
        calls.set(name, { io, end })
        io.emit({ type: "text", delta: `${name} begins. ` })
        return yield* Effect.onInterrupt(Deferred.await(end), () => Effect.sync(() => stopped.push(name)))
      })
  })
  const called = (name: string) => {
    const call = calls.get(name)
    if (call === undefined) throw new Error(`${name} was not called`)
    return call
  }
  return {
    tool,
    stopped: stopped as ReadonlyArray<string>,
    calls: () => [...calls.keys()],
    says: (name: string, delta: string) => Effect.sync(() => called(name).io.emit({ type: "text", delta })),
    ends: (name: string, answer: string) => Effect.suspend(() => Deferred.succeed(called(name).end, answer)),
    fails: (name: string, message: string) =>
      Effect.suspend(() => Deferred.fail(called(name).end, new ToolFailed({ message })))
  }
}

/** The hints that tell of tasks, in the order of the log. */
export const toldIn = (session: Session) =>
  Effect.map(
    everything(session),
    (events) =>
      events.flatMap(({ event }) =>
        event.type === "HINT_BLOCK" && event.source === "background_task" ? [textOf(event.hint)] : []
      )
  )

type Custom = Extract<AgentEvent, { readonly type: "CUSTOM" }>

/** The values of the session's own events of this name. */
export const customIn = <Name extends Custom["name"]>(session: Session, name: Name) =>
  Effect.map(
    everything(session),
    (events) =>
      events.flatMap(({ event }) =>
        event.type === "CUSTOM" && event.name === name
          ? [event.value as Extract<Custom, { readonly name: Name }>["value"]]
          : []
      )
  )

export const tasksOf = (session: Session) =>
  Effect.flatMap(Storage, ({ backgroundTasks }) =>
    Effect.map(
      backgroundTasks.list(session.user_id, { limit: 100, cursor: undefined }, { session_id: session.id }),
      ({ items }) => items
    ))

export const runsOf = (session: Session) =>
  Effect.flatMap(Storage, ({ runs }) =>
    Effect.map(
      runs.list(session.user_id, { limit: 100, cursor: undefined }, { session_id: session.id }),
      ({ items }) => items
    ))

/** Whether there is nothing left to wake the session for. */
export const isWoken = (session: Session) =>
  Effect.flatMap(Storage, ({ jobs }) =>
    Effect.map(
      jobs.list(session.user_id, { limit: 100, cursor: undefined }, { kind: "task", status: "pending" }),
      ({ total }) => total === 0
    ))

/** A task of a session that a process has left running which is gone. */
export const leftTask = Effect.fnUntraced(function*(session: Pick<Session, "id" | "user_id" | "agent_id">) {
  const log = yield* EventLog
  const newId = yield* NewId
  const at = yield* now
  const task: BackgroundTask = {
    id: taskIdOf(newId.record(Date.parse(at))),
    user_id: session.user_id,
    created_at: at,
    updated_at: at,
    session_id: session.id,
    agent_id: session.agent_id,
    run_id: RunId.make("some-run"),
    tool_call_id: ToolCallId.make("call_1"),
    tool_name: "Slow",
    process: "gone",
    status: "running",
    output: [],
    ended_at: null,
    told_at: null
  }
  yield* log.append({ pages: [], runs: [], messages: [], tasks: [task] })
  return task
})
