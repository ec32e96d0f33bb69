/** Hosts over storage that outlives them, one after the other, and ways in which that storage fails them. */
import { Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { RunId } from "../../src/domain/Ids.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import * as PeersMemory from "../../src/layers/Peers/Memory.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { AppendRefused, EventLog } from "../../src/services/EventLog.ts"
import { Files } from "../../src/services/Files.ts"
import { JobStore } from "../../src/services/JobStore.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { Models } from "../../src/services/Models.ts"
import type { Peers } from "../../src/services/Peers.ts"
import { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { Storage } from "../../src/services/Storage.ts"
import { TaskStore } from "../../src/services/TaskStore.ts"
import { Tenants } from "../../src/services/Tenants.ts"
import { checkEvent } from "./agentservice/Checked.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

type Append = typeof EventLog.Service.append
type Read = typeof EventLog.Service.read

export interface LiveOptions {
  /** What becomes of a flush. */
  readonly append?: (append: Append) => Append
  readonly stream?: (stream: typeof Models.Service.stream) => typeof Models.Service.stream
  /** What becomes of a look into the log. */
  readonly read?: (read: Read) => Read
  /** The other processes. None, when it is left out. */
  readonly peers?: Layer.Layer<Peers>
  readonly engine?: Partial<Host.EngineOptions>
}

/** A host. `end` leaves its runs as they are; after `kill`, nothing that it still does reaches the log. */
export const live = (options: LiveOptions = {}) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<
      Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants
    >()
    const log = Context.get(context, EventLog)
    let isKilled = false
    // A flush on its way is waited for: one that landed after the next host has read would fence that host, which has no peer to sweep.
    const append: Append = (batch) =>
      isKilled ? new AppendRefused({ reason: "fenced" }) : Effect.uninterruptible(log.append(batch))
    const storage = Context.pick(Storage, EventLog, Files, Ledger, ScheduleStore, JobStore, TaskStore, Tenants)(context)
      .pipe(
        Context.add(EventLog, {
          ...log,
          append: options.append?.(append) ?? append,
          read: options.read?.(log.read) ?? log.read
        })
      )
    const models = Layer.map(ModelsRouter.layerDefault.pipe(Layer.provide(OutboundOpen.layer)), (context) => {
      const inner = Context.get(context, Models)
      return Context.add(context, Models, { ...inner, stream: options.stream?.(inner.stream) ?? inner.stream })
    })
    const parts = models.pipe(
      Layer.provideMerge(Layer.mergeAll(Layer.succeedContext(storage), options.peers ?? PeersMemory.layer, vault))
    )
    const scope = yield* Scope.make()
    const host = yield* Layer.buildWithScope(Host.engine(parts, { trusted: true, ...options.engine }), scope)
    const end = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => end)
    return {
      do: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, host),
      end,
      kill: Effect.zipRight(Effect.sync(() => isKilled = true), end)
    }
  })

export type Live = Effect.Effect.Success<ReturnType<typeof live>>

/** All that the log holds of a session. */
export const everything = (session: Session) =>
  Effect.map(
    Effect.flatMap(EventLog, (log) => log.read(session.id, 0, 10_000)),
    (pages) => {
      const told = pages.flatMap((page) => eventsOf(page.frames))
      for (const { event } of told) checkEvent(event)
      return told
    }
  )

/** Waits until it is so. */
export const eventually = <A, E, R>(what: string, look: Effect.Effect<A, E, R>, isSo: (a: A) => boolean) =>
  look.pipe(
    Effect.delay("10 millis"),
    Effect.repeat({ until: isSo }),
    Effect.timeoutFail({ duration: "30 seconds", onTimeout: () => `Never so: ${what}` }),
    Effect.zipRight(look)
  )

/** The run as storage has it. */
export const storedRun = (session: Session, run: RunId) =>
  Effect.flatMap(Storage, ({ runs }) => runs.get(session.user_id, run))
