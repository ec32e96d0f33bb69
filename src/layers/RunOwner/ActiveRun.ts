/** An active run: its state, how it begins, and where its events go. */
import { Deferred, type Fiber, FiberId } from "effect"
import type { Compacted } from "../../domain/Context.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { Timestamp } from "../../domain/Ids.ts"
import { type CallProgress, entryOf } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { Out } from "../../services/AgentRunner.ts"
import type { Room } from "../../services/Rooms.ts"

/** A queued run, whose input waits for its turn in a session. */
export interface PendingInput {
  readonly run: Run
  readonly agentName: string
}

/** A run that is active in this process. */
export interface ActiveRun {
  readonly room: Room
  readonly run: Run
  readonly out: Out
  /** The `seq` of REPLY_START, and of the last event so far. */
  readonly replySeq: number
  readonly lastSeq: () => number
  /** The runs after it, in order. The next run has the same queue. */
  queue: Array<PendingInput>
  /** The fiber of the agent's work; interrupting it stops nothing else of the run. Undefined before `start`. */
  fiber: Fiber.RuntimeFiber<void> | undefined
  /** How the run will end, when somebody has asked to stop it. */
  stopping: Reply.Ending | undefined
  /** Its room is dead, so nothing that it still does can be written. */
  isLost: boolean
  /** Completes when the run is no longer driven here: with true when its end, or its parking, is durable. */
  readonly left: Deferred.Deferred<boolean>
}

type ReplyStart = Extract<AgentEvent, { readonly type: "REPLY_START" }>

export interface Options {
  /** The id of this process. */
  readonly self: string
  readonly now: () => Timestamp
  /** Takes the steering inputs that wait in the room's session: one list for each of them. */
  readonly takeSteering: (room: Room) => ReadonlyArray<ReadonlyArray<Message>>
}

export const make = ({ now, self, takeSteering }: Options) => {
  /** Makes a run that has begun, with its reply so far in `from`. It continues when it is started. */
  const of = (room: Room, run: Run, from: Reply.Reply, replySeq: number): ActiveRun => {
    let reply = from
    let lastSeq = replySeq
    let call: CallProgress | undefined
    let wasWoken = false
    return {
      room,
      run,
      replySeq,
      lastSeq: () => lastSeq,
      out: {
        emit: (draft) => {
          const { event, seq } = room.emit(run.id, draft)
          if (event.type === "MODEL_CALL_END" && reply.call !== undefined) {
            room.charge(entryOf(run, reply.call, event, call))
            call = undefined
          }
          reply = Reply.step(reply, event)
          lastSeq = seq
        },
        compact: (draft) => {
          const { event, seq } = room.emit(run.id, draft)
          lastSeq = seq
          // In the same turn as the event, so that both are written at once.
          room.compact(event as Compacted, replySeq)
          return event as Compacted
        },
        calling: (next) => {
          call = next
        },
        reply: () => reply,
        durable: room.durable,
        behind: room.behind,
        takeSteering: () => {
          const taken = takeSteering(room)
          wasWoken ||= taken.some(({ length }) => length === 0)
          return taken.flat()
        },
        wasWoken: () => wasWoken,
        keepTask: (task) => room.keepTask(task)
      },
      queue: [],
      fiber: undefined,
      stopping: undefined,
      isLost: false,
      left: Deferred.unsafeMake(FiberId.none)
    }
  }

  /** Puts a run's input and the start of its reply into the room. */
  const begin = (room: Room, { agentName, run }: PendingInput): ActiveRun => {
    const { id: run_id, reply_id, session_id } = run
    let first: number | undefined
    for (const message of run.input) {
      const { seq } = room.emit(run_id, {
        type: "CUSTOM",
        name: "user_message",
        value: { session_id, run_id, message }
      })
      first ??= seq
      room.place(seq, message)
    }
    const { event, seq } = room.emit(run_id, {
      type: "REPLY_START",
      session_id,
      run_id,
      reply_id,
      name: agentName,
      role: "assistant"
    })
    const at = now()
    const started: Run = {
      ...run,
      status: "running",
      driver: self,
      first_seq: first ?? seq,
      started_at: at,
      updated_at: at
    }
    room.record(started)
    return of(room, started, Reply.start(event as ReplyStart), seq)
  }

  return { of, begin }
}
