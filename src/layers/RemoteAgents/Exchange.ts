/** One message to an agent elsewhere, and what comes of it: by a stream where it has one, by looking at its task otherwise. */
import { Effect, Schedule, Stream } from "effect"
import { hopsKey, type RemoteCall } from "../../domain/RemoteAgent.ts"
import { now } from "../../services/Now.ts"
import type { RemoteAnswer } from "../../services/RemoteAgents.ts"
import { Storage } from "../../services/Storage.ts"
import { frameOf, isOver, isSettled, ofMessage, ofTask, type Task, taskIn } from "./Answers.ts"
import { RemoteFailed } from "./Failed.ts"
import * as Wire from "./Wire.ts"

/** Pauses between two looks at a task: they grow. */
const looking = Schedule.exponential("500 millis", 1.5).pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** What is known of a task that has been begun. */
export interface Known {
  call: RemoteCall
}

export interface Sending {
  readonly address: Wire.Address
  readonly streams: boolean
  readonly message: string
  readonly hops: number
}

const nonsense = ({ title }: Wire.Address) =>
  new RemoteFailed({ message: `The agent '${title}' has answered something that cannot be understood.`, again: false })

export const make = Effect.gen(function*() {
  const { remoteCalls } = yield* Storage
  const { ask, follow } = yield* Wire.make

  const note = Effect.fnUntraced(
    function*(known: Known, found: Partial<Pick<RemoteCall, "task_id" | "context_id" | "is_over">>) {
      const { call } = known
      const next = { ...call, ...found }
      if (next.task_id === call.task_id && next.context_id === call.context_id && next.is_over === call.is_over) return
      const updated_at = yield* now
      known.call = { ...next, updated_at }
      // Its session may have been deleted meanwhile.
      yield* Effect.ignore(remoteCalls.modify(call.user_id, call.id, (one) => ({ ...one, ...found, updated_at })))
    }
  )

  const noteTask = (known: Known, { contextId, id, status }: Task) =>
    note(known, {
      task_id: id,
      ...(contextId != null && contextId !== "" && { context_id: contextId }),
      is_over: isOver(status.state)
    })

  const taskOf = (address: Wire.Address, id: string) =>
    Effect.flatMap(
      ask(address, { method: "GetTask", params: { id, historyLength: 0 } }),
      (body) => Effect.mapError(taskIn(body), () => nonsense(address))
    )

  /** Looks at a task until it has ended or waits. */
  const settled = (address: Wire.Address, id: string) =>
    taskOf(address, id).pipe(
      Effect.filterOrFail(
        ({ status }) => isSettled(status.state),
        () => new RemoteFailed({ message: "It still works.", again: true })
      ),
      Effect.retry({ while: ({ again }) => again, schedule: looking })
    )

  /** Sends the message; the task that comes of it, if it is settled, or the message that is the answer. */
  const send = Effect.fnUntraced(function*({ address, hops, message, streams }: Sending, known: Known) {
    const { context_id, id: messageId, task_id } = known.call
    const params = {
      message: {
        messageId,
        role: "ROLE_USER",
        parts: [{ text: message }],
        ...(context_id !== null && { contextId: context_id }),
        ...(task_id !== null && { taskId: task_id }),
        metadata: { [hopsKey]: hops }
      },
      // A task that has been waiting may say so for a moment more: an answer to it is waited for by the agent itself.
      configuration: { returnImmediately: task_id === null, historyLength: 0 }
    }
    let came: Task | RemoteAnswer | undefined
    const method = streams ? "SendStreamingMessage" : "SendMessage"
    const frames = follow(address, { method, params, key: messageId })
    yield* Stream.runForEachWhile(frames, (value) =>
      Effect.gen(function*() {
        const frame = yield* Effect.mapError(frameOf(value), () => nonsense(address))
        if (frame.message != null) {
          came = ofMessage(address.title, frame.message, messageId)
          const context_id = frame.message.contextId
          yield* note(known, { is_over: true, ...(context_id != null && context_id !== "" && { context_id }) })
          return false
        }
        if (frame.task != null) {
          const { state } = frame.task.status
          yield* noteTask(known, frame.task)
          // The first that a stream says is how the task has been.
          if (isOver(state) || (isSettled(state) && !(streams && task_id !== null))) came = frame.task
          return came === undefined
        }
        const update = frame.statusUpdate ?? frame.artifactUpdate
        if (update != null) yield* note(known, { task_id: update.taskId })
        return frame.statusUpdate == null || !isSettled(frame.statusUpdate.status.state)
      })).pipe(
        // What it has begun is asked about in another way.
        Effect.catchIf(
          ({ again }) => again && known.call.task_id !== null && known.call.task_id !== task_id,
          () => Effect.void
        )
      )
    return came
  })

  const settle = Effect.fnUntraced(function*(address: Wire.Address, known: Known, title: string) {
    const { task_id } = known.call
    if (task_id === null) return yield* nonsense(address)
    const task = yield* settled(address, task_id)
    yield* noteTask(known, task)
    return ofTask(title, task, known.call.id)
  })

  const sendAndWait = Effect.fnUntraced(function*(sending: Sending, known: Known) {
    const { address } = sending
    const came = yield* send(sending, known)
    if (came === undefined) return yield* settle(address, known, address.title)
    return "text" in came ? came : ofTask(address.title, came, known.call.id)
  })

  /** A call that was made before this process began: what its message has begun is waited for, and it is sent again where it was not taken. */
  const again = Effect.fnUntraced(function*(sending: Sending, known: Known, answers: string | undefined) {
    const { address } = sending
    if (known.call.task_id === null) return yield* sendAndWait(sending, known)
    if (answers === undefined) return yield* settle(address, known, address.title)
    const task = yield* taskOf(address, answers)
    return isSettled(task.status.state) && !isOver(task.status.state)
      ? yield* sendAndWait(sending, known)
      : yield* settle(address, known, address.title)
  })

  return { ask, note, settle, sendAndWait, again }
})
