/**
 * Drives the runs of this process, and takes over those that no process drives.
 *
 *                     submit, session idle
 *      ┌──────────────────────────────────────────────┐
 *      │                                              ▼
 *   (input) ── submit, session busy ──► queued ──► running ◄──── answered ────┐
 *                                         │        ▲  │ │                     │
 *                    cancelled, dropped,  │        │  │ └─ asks somebody ──► awaiting_permission,
 *                    revoked, steers into │ resume │  │                      awaiting_external_result
 *                    another reply        │  after │  │ completed,             │
 *                                         │ a crash│  │ failed, stopped        │ stopped, expired
 *                                         ▼        └──┤                        ▼ (through running)
 *                                       ended ◄───────┴────────────────────── ended
 *
 * Every arrow is one `record` of the run's row, in the same transaction as the
 * events that tell of it:
 *
 *   queued     `run_queued`, by Admission; or the row alone, when the input is left in storage for its driver
 *   running    `user_message` and REPLY_START, by ActiveRuns.begin; `run_resumed` with one attempt more, by
 *              Recovery; the answer's events, by Parked.goOn
 *   awaiting_* `run_parked` and the message so far, by ActiveRuns
 *   ended      REPLY_END and the whole message, by ActiveRuns; REPLY_END alone for what never began
 *
 * A session has one active run at most. It is entered into `activeRuns` in the
 * turn of the event loop in which it begins, and leaves when its end is durable,
 * in the turn in which the next one begins: between them no input can come.
 */
import { Clock, Duration, Effect, Exit, FiberSet, Layer, Scope } from "effect"
import { AgentRunner } from "../../services/AgentRunner.ts"
import { EventLog } from "../../services/EventLog.ts"
import { Peers } from "../../services/Peers.ts"
import { Rooms } from "../../services/Rooms.ts"
import { RunOwner } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"
import * as ActiveRuns from "./ActiveRuns.ts"
import * as Admission from "./Admission.ts"
import * as Answering from "./Answering.ts"
import * as History from "./History.ts"
import * as Orphans from "./Orphans.ts"
import * as Parked from "./Parked.ts"
import type { Parts } from "./Parts.ts"
import * as Recovery from "./Recovery.ts"
import * as Stopping from "./Stopping.ts"
import * as TellingState from "./TellingState.ts"

export const make = Effect.gen(function*() {
  const runner = yield* AgentRunner
  const rooms = yield* Rooms
  const log = yield* EventLog
  const storage = yield* Storage
  const peers = yield* Peers
  const clock = yield* Effect.clock
  /** Open while storage may hold runs that this process does not know of, because it did not answer when they were written. */
  const unconfirmed = yield* Effect.makeLatch(false)
  const onUnconfirmed = () => {
    unconfirmed.unsafeOpen()
  }
  const scope = yield* Scope.make()
  const fork = yield* Scope.extend(FiberSet.makeRuntime<never>(), scope)
  // Writes that hang in storage are abandoned: the process must end all the same.
  yield* Effect.addFinalizer(() => Effect.asVoid(Effect.forkDaemon(Scope.close(scope, Exit.void))))

  const activeRuns = yield* ActiveRuns.make({ clock, onUnconfirmed, rooms, runner, self: peers.self, storage })
  const parts: Parts = {
    rooms,
    log,
    storage,
    peers,
    activeRuns,
    onUnconfirmed,
    background: (effect) => {
      fork(effect)
    }
  }
  const parked = Parked.make(parts)
  const recovery = Recovery.make(parts, parked)
  const { revoke, submit } = Admission.make(parts, parked, recovery)
  const { answer } = Answering.make(parts, parked)
  const { cancel, expire, interrupt, receive } = Stopping.make(parts, parked, recovery)
  const { tellState } = TellingState.make(parts)
  const { lookForUnconfirmed, recover, sweep } = Orphans.make(parts, unconfirmed, recovery)

  const live = Clock.make()
  yield* Effect.forkIn(Effect.withClock(Effect.forever(lookForUnconfirmed), live), scope)
  if (!peers.alone) {
    yield* peers.listen(receive)
    yield* Effect.forkIn(Effect.withClock(Effect.forever(sweep), live), scope)
  }

  return RunOwner.of({
    submit,
    revoke,
    answer,
    interrupt,
    cancel,
    expire,
    tellState,
    activity: (session) => {
      const active = activeRuns.get(session)
      return active && { run: active.run, reply: active.out.reply().message, queued: active.queue.length }
    },
    replyInLog: History.make(log).replyOf,
    recover,
    drain: (seconds) =>
      activeRuns.close.pipe(
        Effect.zipRight(activeRuns.empty),
        Effect.interruptible,
        Effect.timeoutOption(Duration.seconds(seconds)),
        Effect.zipRight(activeRuns.leave)
      )
  })
})

export const layer: Layer.Layer<RunOwner, never, AgentRunner | Rooms | EventLog | Storage | Peers> = Layer.scoped(
  RunOwner,
  make
)
