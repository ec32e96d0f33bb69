/**
 * Any course of sends, watchers that come and go, interrupts, answers, kills and
 * restarts keeps the engine's promises. `MODEL_RUNS=500 npx vitest run
 * test/layers/Model.test.ts` tries longer; a failure is shrunk and printed.
 */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Exit, FastCheck, Layer, Redacted, Scope } from "effect"
import type { OnBusy } from "../../src/domain/Chat.ts"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import type { RunId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Reply from "../../src/domain/Reply.ts"
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
import { RunOwner } from "../../src/services/RunOwner.ts"
import { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { TaskStore } from "../../src/services/TaskStore.ts"
import { Tenants } from "../../src/services/Tenants.ts"
import { answer, conversation, say, type Seen, watch } from "../support/hub.ts"
import { ledgerTells } from "../support/ledger.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const runs = Number(process.env["MODEL_RUNS"] ?? 6)
const maxCommands = 25

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

const pause = (note: string) => `call Pause {"seconds":0.01,"note":"${note}"}`

const scripts: ReadonlyArray<(token: string) => string> = [
  (token) => `say ${token}`,
  (token) => `say ${token}\nrepeat 15 word `,
  (token) => `say ${token}\nsleep 20\nsay end`,
  (token) => `say ${token}\ncall Calculate {"expression":"6*7"}\ncall Calculate {"expression":"1+1"}\nthen\nresults`,
  (token) => `say ${token}\n${pause("a")}\nthen\nresults`,
  (token) => `say ${token}\n${pause("a")}\n${pause("b")}\ncall CurrentTime {}\nthen\nresults`,
  (token) => `say ${token}\nrepeat 5 cut \nfail cut`
]

/** A host over storage that outlives it. After `kill`, nothing that it still does reaches the log. */
const live = Effect.gen(function*() {
  const context = yield* Effect.context<
    Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants
  >()
  const log = Context.get(context, EventLog)
  let killed = false
  const append: typeof log.append = (batch) => killed ? new AppendRefused({ reason: "fenced" }) : log.append(batch)
  const storage = Context.pick(Storage, EventLog, Files, Ledger, ScheduleStore, JobStore, TaskStore, Tenants)(context)
    .pipe(
      Context.add(EventLog, { ...log, append })
    )
  const parts = ModelsRouter.layerDefault.pipe(
    Layer.provide(OutboundOpen.layer),
    Layer.provideMerge(Layer.mergeAll(Layer.succeedContext(storage), PeersMemory.layer, vault))
  )
  const scope = yield* Scope.make()
  const host = yield* Layer.buildWithScope(Host.engine(parts, { trusted: true }), scope)
  return {
    do: <A, E>(effect: Effect.Effect<A, E, Host.Host>) => Effect.provide(effect, host),
    kill: Effect.zipRight(Effect.sync(() => killed = true), Scope.close(scope, Exit.void))
  }
})

/** One client's frames over all its visits. */
interface Watcher {
  seen: Seen | undefined
  scope: Scope.CloseableScope | undefined
  frames: string
}

interface Sent {
  readonly token: string
  readonly on_busy: OnBusy
  readonly seq: number
  readonly run_id: RunId
}

/** What the course so far says must be true. */
interface Model {
  alive: boolean
  watchers: number
}

interface Real {
  readonly run: <A, E>(
    effect: Effect.Effect<A, E, Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants>
  ) => Promise<A>
  host: Effect.Effect.Success<typeof live>
  readonly session: Session
  readonly watchers: Array<Watcher>
  readonly sent: Array<Sent>
  tokens: number
}

type Command = FastCheck.AsyncCommand<Model, Real>

const command = (
  name: string,
  check: (model: Model) => boolean,
  run: (model: Model, real: Real) => Promise<void>
): Command => ({
  check,
  run,
  toString: () => name
})

const framesOf = ({ frames, seen }: Watcher) => frames + (seen?.frames() ?? "")

const isGapless = (events: ReadonlyArray<{ readonly seq: number }>) =>
  assert.deepStrictEqual(events.map(({ seq }) => seq), events.map((_, i) => i + 1))

const leave = Effect.fnUntraced(function*(watcher: Watcher) {
  if (watcher.scope !== undefined) yield* Scope.close(watcher.scope, Exit.void)
  watcher.frames = framesOf(watcher)
  watcher.seen = undefined
  watcher.scope = undefined
  isGapless(eventsOf(watcher.frames))
})

const join = Effect.fnUntraced(function*(real: Real, watcher: Watcher) {
  const scope = yield* Scope.make()
  const after = eventsOf(watcher.frames).at(-1)?.seq ?? 0
  watcher.scope = scope
  watcher.seen = yield* real.host.do(Scope.extend(watch(real.session, { after }), scope))
})

/** All that any event of the log asks and nobody has answered. */
const asked = (events: ReadonlyArray<AgentEvent>) => {
  const open = new Map<string, Extract<AgentEvent, { readonly type: "REQUIRE_USER_CONFIRM" }>>()
  for (const event of events) {
    if (event.type === "REQUIRE_USER_CONFIRM") { for (const { id } of event.tool_calls) open.set(id, event) }
    if (event.type === "USER_CONFIRM_RESULT") {
      for (const { tool_call } of event.confirm_results) open.delete(tool_call.id)
    }
    if (event.type === "REPLY_END") open.clear()
  }
  return [...open].map(([id, { reply_id, tool_calls }]) => ({
    reply_id,
    call: tool_calls.find((call) => call.id === id)!
  }))
}

const everything = (session: Session) =>
  Effect.map(
    Effect.flatMap(EventLog, (log) => log.read(session.id, 0, 100_000)),
    (pages) => pages.map(({ frames }) => frames).join("")
  )

const send = (script: number, on_busy: OnBusy) =>
  command(`send ${script} ${on_busy}`, ({ alive }) => alive, (_, real) => {
    const token = `token${++real.tokens}x`
    return real.run(Effect.gen(function*() {
      const sent = yield* Effect.either(real.host.do(say(real.session, scripts[script]!(token), on_busy)))
      if (sent._tag === "Right") real.sent.push({ token, on_busy, seq: sent.right.seq, run_id: sent.right.run_id })
      else assert.include(["session_busy", "queue_full"], sent.left.code)
    }))
  })

const subscribe = command("subscribe", ({ alive, watchers }) => alive && watchers < 4, (model, real) => {
  model.watchers++
  const watcher: Watcher = { seen: undefined, scope: undefined, frames: "" }
  real.watchers.push(watcher)
  return real.run(join(real, watcher))
})

const away = (nth: number) =>
  command(
    `leave ${nth}`,
    ({ watchers }) => watchers > 0,
    (_, real) => real.run(leave(real.watchers[nth % real.watchers.length]!))
  )

const resume = (nth: number) =>
  command(`resume ${nth}`, ({ alive, watchers }) => alive && watchers > 0, (_, real) => {
    const watcher = real.watchers[nth % real.watchers.length]!
    return real.run(Effect.zipRight(leave(watcher), join(real, watcher)))
  })

const interrupt = (queue: "keep" | "drop") =>
  command(
    `interrupt ${queue}`,
    ({ alive }) => alive,
    (_, real) => real.run(real.host.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(real.session, queue))))
  )

const cancel = (nth: number) =>
  command(`cancel ${nth}`, ({ alive }) => alive, (_, real) => {
    const sent = real.sent.at(-1 - nth % Math.max(real.sent.length, 1))
    return sent === undefined
      ? Promise.resolve()
      : real.run(Effect.gen(function*() {
        yield* real.host.do(Effect.flatMap(SessionHub, (hub) => hub.cancel(real.session, sent.run_id)))
        // What was asked for has been done when the answer comes.
        const open = yield* Effect.flatMap(EventLog, (log) => log.open(real.session.id))
        assert.notInclude(open.map(({ id }) => id), sent.run_id)
      }))
  })

const confirm = (confirmed: boolean, all: boolean) =>
  command(
    `confirm ${confirmed} ${all ? "all" : "one"}`,
    ({ alive }) => alive,
    (_, real) =>
      real.run(Effect.gen(function*() {
        const status = yield* real.host.do(Effect.flatMap(SessionHub, (hub) => hub.status(real.session)))
        const open = asked(eventsOf(yield* everything(real.session)).map(({ event }) => event))
        const [first] = open
        if (first === undefined) return
        const answered = yield* Effect.either(real.host.do(answer(real.session, {
          type: "USER_CONFIRM_RESULT",
          reply_id: first.reply_id,
          confirm_results: (all ? open : [first]).map(({ call: { id } }) => ({ confirmed, tool_call: { id } }))
        })))
        if (status === "awaiting_permission") assert.strictEqual(answered._tag, "Right", JSON.stringify(answered))
      }))
  )

const kill = command("kill", ({ alive }) => alive, (model, real) => {
  model.alive = false
  return real.run(Effect.zipRight(real.host.kill, Effect.forEach(real.watchers, leave, { discard: true })))
})

const start = (real: Real) =>
  Effect.gen(function*() {
    real.host = yield* live
    yield* real.host.do(Effect.flatMap(RunOwner, (owner) => owner.recover))
  })

const restart = command("restart", ({ alive }) => !alive, (model, real) => {
  model.alive = true
  return real.run(start(real))
})

const wait = (millis: number) => command(`wait ${millis}`, () => true, (_, real) => real.run(Effect.sleep(millis)))

const commands = FastCheck.commands([
  FastCheck.tuple(
    FastCheck.nat(scripts.length - 1),
    FastCheck.constantFrom<Array<OnBusy>>("enqueue", "enqueue", "enqueue", "reject", "interrupt")
  )
    .map(([script, on_busy]) => send(script, on_busy)),
  FastCheck.constant(subscribe),
  FastCheck.nat(3).map(away),
  FastCheck.nat(3).map(resume),
  FastCheck.constantFrom<Array<"keep" | "drop">>("keep", "drop").map(interrupt),
  FastCheck.nat(3).map(cancel),
  FastCheck.tuple(FastCheck.boolean(), FastCheck.boolean()).map(([confirmed, all]) => confirm(confirmed, all)),
  FastCheck.constant(kill),
  FastCheck.constant(restart),
  FastCheck.constantFrom(1, 5, 20, 60).map(wait)
], { maxCommands, size: "max" })

const ordered = (sent: ReadonlyArray<Sent>) =>
  sent.filter(({ on_busy }) => on_busy === "enqueue").toSorted((a, b) => a.seq - b.seq).map(({ token }) => token)

/** Lets everything end, and then holds the log against what was promised. */
const settle = (real: Real) =>
  Effect.gen(function*() {
    const log = yield* EventLog
    const { session } = real
    yield* Effect.gen(function*() {
      const open = yield* log.open(session.id)
      if (open.some(({ status }) => status === "awaiting_permission")) {
        yield* real.host.do(Effect.flatMap(SessionHub, (hub) => hub.interrupt(session, "keep")))
      }
      return open.length
    }).pipe(
      Effect.delay("10 millis"),
      Effect.repeat({ until: (open) => open === 0 }),
      Effect.timeoutFail({ duration: "15 seconds", onTimeout: () => "Not every run ends" })
    )
    const last = yield* real.host.do(say(session, "say ok"))
    const reply = yield* real.host.do(Effect.flatMap(SessionHub, (hub) => hub.reply(session, last.run_id, last.seq)))
    assert.strictEqual(textOf(reply.content), "ok")
    yield* Effect.forEach(real.watchers, leave, { discard: true })
    yield* real.host.kill

    const frames = yield* everything(session)
    const logged = eventsOf(frames)
    isGapless(logged)
    // Seen is kept, and everybody sees the same bytes.
    for (const watcher of real.watchers) assert.isTrue(frames.startsWith(watcher.frames))
    const events = logged.map(({ event }) => event)
    // One run at a time, each with one end; those that were dropped or cancelled have no beginning.
    const starts = events.flatMap((event) => event.type === "REPLY_START" ? [event.run_id as string] : [])
    const turns = events.flatMap((event) =>
      event.type === "REPLY_START" || (event.type === "REPLY_END" && starts.includes(event.run_id))
        ? [`${event.type} ${event.run_id}`]
        : []
    )
    assert.deepStrictEqual(turns, starts.flatMap((id) => [`REPLY_START ${id}`, `REPLY_END ${id}`]))
    const ends = events.flatMap((event) => event.type === "REPLY_END" ? [event] : [])
    assert.sameMembers(ends.map(({ run_id }) => run_id as string), [
      ...real.sent.map(({ run_id }) => run_id),
      last.run_id
    ])
    const unbegun = ends.filter(({ run_id }) => !starts.includes(run_id))
    for (const { finished_reason } of unbegun) assert.strictEqual(finished_reason, "interrupted")
    const begun = real.sent.filter(({ run_id }) => starts.includes(run_id))
    // Accepted is kept, once and in order; the transcript is the fold of the log.
    const messages = (yield* log.recent(session.id, 10_000)).map(({ message }) => message)
    const tokens = messages.filter(({ role }) => role === "user").map(({ content }) =>
      /token\d+x/.exec(textOf(content))?.[0]
    )
    assert.sameMembers([...tokens], [...begun.map(({ token }) => token), undefined])
    const inOrder = ordered(begun)
    assert.deepStrictEqual(tokens.filter((token) => inOrder.includes(token!)), inOrder)
    for (const message of messages.filter(({ role }) => role === "assistant")) {
      const told = Reply.ofEvents(events.filter((event) => "reply_id" in event && event.reply_id === message.id))
        ?.message
      assert.deepStrictEqual(JSON.parse(JSON.stringify(message)), JSON.parse(JSON.stringify(told)))
    }
    yield* ledgerTells(session, events)
    // A call with an effect begins once at most, and every call has one result.
    const pauses = events.flatMap((event) =>
      event.type === "TOOL_CALL_START" && event.tool_call_name === "Pause" ? [event.tool_call_id] : []
    )
    for (const id of pauses) {
      assert.isAtMost(
        events.filter((event) => event.type === "TOOL_RESULT_START" && event.tool_call_id === id).length,
        1
      )
      assert.strictEqual(
        events.filter((event) => event.type === "TOOL_RESULT_END" && event.tool_call_id === id).length,
        1
      )
    }
  })

const keepsItsPromises = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
) =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Whatever happens: ${name}`, (it) => {
    it.effect("nothing accepted is lost, nothing seen changes, every run ends", () =>
      Effect.gen(function*() {
        const context = yield* Effect.context<
          Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants
        >()
        const run: Real["run"] = (effect) => Effect.runPromise(Effect.provide(effect, context))
        const property = FastCheck.asyncProperty(commands, async (course) => {
          const host = await run(live)
          const session = await run(host.do(conversation("demo-script", { parameters: { delay_ms: 1 } })))
          const real: Real = { run, host, session, watchers: [], sent: [], tokens: 0 }
          const model: Model = { alive: true, watchers: 0 }
          await FastCheck.asyncModelRun(() => ({ model, real }), course)
          if (!model.alive) await run(start(real))
          await run(settle(real))
        })
        yield* Effect.promise(() => FastCheck.assert(property, { numRuns: runs, endOnFailure: runs <= 10 }))
      }), patience(runs * 30_000))
  })

keepsItsPromises("Memory", Host.memory)

keepsItsPromises("PGlite", Host.pglite({ dataDir: undefined }))

keepsItsPromises(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
