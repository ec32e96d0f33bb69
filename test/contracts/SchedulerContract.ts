/** What the scheduler promises, over every layer that keeps where schedules are. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Schedule } from "../../src/domain/Schedule.ts"
import { statefulSession } from "../../src/domain/Schedule.ts"
import { planOf } from "../../src/layers/Scheduler/Plan.ts"
import type { EventLog } from "../../src/services/EventLog.ts"
import type { Files } from "../../src/services/Files.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import { freshId } from "../support/fixtures.ts"
import { eventually, live, type LiveOptions } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"
import { firesOf, overdue, owner, scheduled, settled, viewOf } from "../support/schedules.ts"

const hour = 3_600_000
const day = 24 * hour
const page = { limit: 100, cursor: undefined }

/** A process whose scheduler runs until it ends. */
const process = (options: LiveOptions = {}) =>
  Effect.gen(function*() {
    const host = yield* live({ ...options, engine: { schedule_min_seconds: 0.1, ...options.engine } })
    yield* Effect.forkScoped(host.do(Effect.flatMap(Scheduler, ({ run }) => run)))
    return host
  })

/** A process whose scheduler stands still. */
const idle = live({ engine: { schedule_min_seconds: 0.1 } })

const runsIn = (schedule: Schedule) =>
  Effect.flatMap(
    Storage,
    ({ runs }) =>
      Effect.map(runs.list(schedule.user_id, page), ({ items }) => items.filter(({ source }) => source === "schedule"))
  )

const wake = Effect.flatMap(Scheduler, ({ wake }) => wake)

export const schedulerContract = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
): void =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(`Scheduler: ${name}`, (it) => {
    it.scoped("fires by the clock, each time in a session of its own, and records what became of it", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const schedule = yield* host.do(scheduled(who, {
          interval_seconds: 0.3,
          max_fires: 2,
          overlap: "queue",
          permission_mode: "bypass",
          instructions: "Be brief.",
          description: "say {{fire_number}} {{last_outcome}} {{ schedule_name }} {{other}}"
        }))
        const fires = yield* host.do(settled(schedule, 2))
        assert.deepStrictEqual(fires.map(({ number, status }) => [number, status]), [[1, "completed"], [
          2,
          "completed"
        ]])
        assert.strictEqual(Date.parse(fires[1]!.slot_at) - Date.parse(fires[0]!.slot_at), 300)
        for (const { duration_ms, error, lateness_ms, sent_at, usage } of fires) {
          assert.isAtLeast(lateness_ms!, 0)
          assert.isAtLeast(duration_ms!, 0)
          assert.isNotNull(sent_at)
          assert.isAbove(usage!.output_tokens, 0)
          assert.isNull(error)
        }
        const { runs, sessions } = yield* Storage
        for (const [i, fire] of fires.entries()) {
          const run = yield* runs.get(who.user_id, fire.run_id!)
          assert.deepInclude(run, { source: "schedule", source_id: fire.id, instructions: "Be brief." })
          const said = textOf(run.input[0]!.content)
          assert.strictEqual(said, `say ${i + 1} ${i === 0 ? "none" : "completed"} Digest {{other}}`)
          const session = yield* sessions.get(who.user_id, fire.session_id!)
          assert.deepInclude(session, { source: "schedule", source_schedule_id: schedule.id })
          assert.strictEqual(session.state.permission_context.mode, "bypass")
        }
        const { items } = yield* host.do(
          Effect.flatMap(Scheduler, (scheduler) => scheduler.sessions(who.user_id, schedule.id, page))
        )
        assert.sameMembers(items.map(({ id }) => id), fires.map(({ session_id }) => session_id!))
        const view = yield* host.do(viewOf(schedule))
        assert.deepInclude(view, { status: "ended", fire_count: 2, next_fire_at: null })
      }))

    it.scoped("keeps one session for all fires where it is stateful, in which the context grows", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const schedule = yield* host.do(
          scheduled(who, {
            interval_seconds: 0.3,
            max_fires: 2,
            overlap: "queue",
            stateful: true,
            description: "context"
          })
        )
        const fires = yield* host.do(settled(schedule, 2))
        assert.deepStrictEqual(fires.map(({ session_id }) => session_id), Array(2).fill(statefulSession(schedule.id)))
        const { sessions } = yield* Storage
        const session = yield* sessions.get(who.user_id, fires[0]!.session_id!)
        const { messages } = yield* host.do(
          Effect.flatMap(SessionHub, (hub) => hub.messages(session, { offset: 0, limit: 10 }))
        )
        const counts = messages.filter(({ role }) => role === "assistant").map(({ content }) =>
          JSON.parse(textOf(content)).messages
        )
        assert.deepStrictEqual(counts, [1, 3])
      }))

    it.scoped("claims each slot once, however many processes there are", () =>
      Effect.gen(function*() {
        const peers = bus()
        const hosts = yield* Effect.all(Array.from({ length: 3 }, () => process({ peers: peers.join().layer })))
        const host = hosts[0]!
        const who = yield* host.do(owner)
        const schedules = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => host.do(scheduled(who, { interval_seconds: 0.25, max_fires: 4, overlap: "queue", missed: "all" }))
        )
        yield* Effect.forEach(schedules, (schedule) => host.do(settled(schedule, 4)))
        for (const schedule of schedules) {
          const fires = yield* host.do(firesOf(schedule))
          assert.deepStrictEqual(fires.map(({ number }) => number), [1, 2, 3, 4])
          assert.strictEqual(new Set(fires.map(({ slot_at }) => slot_at)).size, 4)
        }
        const runs = yield* runsIn(schedules[0]!)
        assert.strictEqual(runs.length, 32)
        assert.strictEqual(new Set(runs.map(({ source_id }) => source_id)).size, 32)
      }))

    it.scoped("runs a fire that was claimed by a process which ended before it sent it", () =>
      Effect.gen(function*() {
        const before = yield* idle
        const who = yield* before.do(owner)
        const schedule = yield* before.do(scheduled(who))
        yield* overdue(schedule)
        const store = yield* ScheduleStore
        const due = (yield* store.due(100)).find(({ id }) => id === schedule.id)!
        const move = planOf(due, yield* store.now, () => freshId() as never)
        assert.strictEqual((yield* store.advance([move])).size, 1)
        // The other process has taken it, too, and is gone.
        yield* store.take({ sender: "gone", lease: hour, limit: 100, perOwner: 100, maxRunning: 100, without: [] })
        assert.strictEqual((yield* store.advance([move])).size, 0, "it cannot be claimed again")
        const host = yield* process()
        const [fire] = yield* host.do(settled(schedule, 1))
        assert.deepInclude(fire, { status: "completed", number: 1 })
        assert.strictEqual((yield* runsIn(schedule)).length, 1)
      }))

    it.scoped("does not run again what was sent by a process which ended before it wrote that down", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const schedule = yield* host.do(scheduled(who))
        yield* overdue(schedule)
        const [fire] = yield* host.do(settled(schedule, 1))
        const store = yield* ScheduleStore
        assert.isTrue(yield* store.write({ ...fire!, status: "pending", run_id: null, ended_at: null }, "completed"))
        yield* store.postpone(fire!.id, 0)
        yield* host.do(Effect.flatMap(Scheduler, ({ wake }) => wake))
        const [again] = yield* host.do(settled(schedule, 1))
        assert.deepInclude(again, { status: "completed", run_id: fire!.run_id })
        assert.strictEqual((yield* runsIn(schedule)).length, 1)
      }))

    it.scoped("does with what was missed as the schedule says", () =>
      Effect.gen(function*() {
        const host = yield* idle
        const who = yield* host.do(owner)
        const hourly = {
          cron_expression: "0 * * * *",
          started_at: "2020-01-01T00:00:00Z",
          overlap: "queue",
          description: "say x"
        } as const
        const made = yield* host.do(Effect.all({
          skip: scheduled(who, { ...hourly, missed: "skip" }),
          once: scheduled(who, { ...hourly, missed: "once", missed_grace_seconds: 7_200 }),
          late: scheduled(who, {
            cron_expression: "0 0 1 1 *",
            started_at: "2020-01-01T00:00:00Z",
            missed: "once",
            missed_grace_seconds: 60
          }),
          all: scheduled(who, { ...hourly, missed: "all", missed_grace_seconds: 2_592_000, missed_limit: 3 }),
          last: scheduled(who, { ...hourly, missed: "all", missed_grace_seconds: 2_592_000, max_fires: 2 })
        }))
        const store = yield* ScheduleStore
        const now = yield* store.now
        // In the first minute of an hour the newest slot is not missed yet.
        const ago = now % hour < 120_000 ? 1 : 0
        for (const schedule of Object.values(made)) {
          yield* overdue(schedule, schedule === made.late ? 400 * day : 5 * hour)
        }
        yield* Effect.forkScoped(host.do(Effect.flatMap(Scheduler, ({ run }) => run)))
        const shown = (schedule: Schedule, count: number) =>
          Effect.map(
            host.do(settled(schedule, count)),
            (fires) => fires.map(({ missed, number, status }) => ({ missed, number, status }))
          )
        if (ago === 0) {
          assert.deepStrictEqual(yield* shown(made.skip, 1), [{ missed: 4, number: null, status: "missed" }])
          assert.deepStrictEqual(yield* shown(made.once, 1), [{ missed: 4, number: 1, status: "completed" }])
          assert.deepStrictEqual(yield* shown(made.all, 3), [
            { missed: 2, number: 1, status: "completed" },
            { missed: 0, number: 2, status: "completed" },
            { missed: 0, number: 3, status: "completed" }
          ])
          assert.deepStrictEqual((yield* shown(made.last, 2)).map(({ number }) => number), [1, 2])
        }
        assert.deepStrictEqual((yield* shown(made.late, 1)).map(({ status }) => status), ["missed"])
        const next = Date.parse((yield* host.do(viewOf(made.all))).next_fire_at!)
        assert.isAbove(next, now)
        assert.isAtMost(next, now + hour + 60_000)
        assert.deepInclude(yield* host.do(viewOf(made.last)), { status: "ended", fire_count: 2 })
      }))

    it.scoped("lets a fire wait, leaves it out, or stops the other, when the one before has not ended", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const long = { description: "say began\nsleep 1500\nsay ended", interval_seconds: 0.4, max_fires: 2 } as const
        const made = yield* host.do(Effect.all({
          skip: scheduled(who, { ...long, overlap: "skip" }),
          queue: scheduled(who, { ...long, overlap: "queue" }),
          expires: scheduled(who, { ...long, overlap: "queue", expires_after_seconds: 1, description: "sleep 3000" }),
          interrupt: scheduled(who, { ...long, overlap: "interrupt", description: "sleep 600000", max_fires: 2 })
        }))
        const shown = (schedule: Schedule) =>
          Effect.map(host.do(settled(schedule, 2)), (fires) => fires.map(({ status }) => status))
        assert.deepStrictEqual(yield* shown(made.skip), ["completed", "skipped"])
        assert.deepStrictEqual(yield* shown(made.queue), ["completed", "completed"])
        assert.deepStrictEqual(yield* shown(made.expires), ["completed", "expired"])
        const [one, two] = yield* eventually(
          "the first is stopped, and the second runs",
          host.do(firesOf(made.interrupt)),
          ([one, two]) => one?.status === "interrupted" && two?.status === "running"
        )
        assert.isNotNull(two!.run_id)
        const [first, second] = yield* host.do(firesOf(made.queue))
        assert.isAtLeast(Date.parse(second!.started_at!), Date.parse(first!.ended_at!))
        yield* host.do(Effect.flatMap(Scheduler, (scheduler) => scheduler.remove(who.user_id, made.interrupt.id)))
        const { runs, sessions } = yield* Storage
        assert.isTrue(Option.isNone(yield* Effect.option(sessions.get(who.user_id, one!.session_id!))))
        assert.isTrue(Option.isNone(yield* Effect.option(runs.get(who.user_id, two!.run_id!))))
      }))

    it.scoped("is told by hand to fire, also while it is paused, and goes on from now when it is resumed", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const scheduler = yield* host.do(Scheduler)
        const schedule = yield* host.do(scheduled(who, { interval_seconds: 60 }))
        assert.deepInclude(yield* scheduler.change(who.user_id, schedule.id, { enabled: false }), {
          status: "paused",
          next_fire_at: null
        })
        yield* scheduler.trigger(who.user_id, schedule.id)
        yield* scheduler.wake
        const [fire] = yield* host.do(settled(schedule, 1))
        assert.deepInclude(fire, { trigger: "manual", number: null, status: "completed" })
        const resumed = yield* scheduler.change(who.user_id, schedule.id, { enabled: true })
        assert.deepInclude(resumed, { status: "active", fire_count: 0 })
        assert.isAbove(Date.parse(resumed.next_fire_at!), Date.now())
        const renamed = yield* scheduler.change(who.user_id, schedule.id, { name: "Other", interval_seconds: 60 })
        assert.strictEqual(renamed.next_fire_at, resumed.next_fire_at)
      }))

    it.scoped("spreads fires by a jitter that is the same for everybody, and never passes the next slot", () =>
      Effect.gen(function*() {
        const host = yield* idle
        const who = yield* host.do(owner)
        for (const jitter_seconds of [0, 30, 3_600]) {
          const schedule = yield* host.do(scheduled(who, { interval_seconds: 60, jitter_seconds }))
          const { next_fire_at, next_slot_at } = yield* host.do(viewOf(schedule))
          const jitter = Date.parse(next_fire_at!) - Date.parse(next_slot_at!)
          assert.isAtLeast(jitter, 0)
          assert.isAtMost(jitter, Math.min(jitter_seconds * 1000, 59_999))
        }
      }))

    it.scoped("marks what cannot run or cannot be read as broken, lists it, and does the rest", () =>
      Effect.gen(function*() {
        const host = yield* idle
        const who = yield* host.do(owner)
        const { credentials, schedules } = yield* Storage
        const made = yield* host.do(Effect.all({
          cron: scheduled(who),
          data: scheduled(who),
          model: scheduled(who),
          good: scheduled(who)
        }))
        yield* schedules.modify(who.user_id, made.cron.id, (schedule) => ({
          ...schedule,
          data: { ...schedule.data, timezone: "Mars/Base" }
        }))
        yield* schedules.modify(
          who.user_id,
          made.data.id,
          (schedule) => ({ ...schedule, data: { ...schedule.data, overlap: "no" as never } })
        )
          .pipe(Effect.catchAllDefect(() => Effect.void))
        yield* Effect.forEach(Object.values(made), (schedule) => overdue(schedule))
        yield* credentials.remove(who.user_id, who.config.chat_model_config!.credential_id)
        yield* Effect.forkScoped(host.do(Effect.flatMap(Scheduler, ({ run }) => run)))
        const [fire] = yield* host.do(settled(made.model, 1))
        assert.deepInclude(fire, { status: "failed", run_id: null })
        assert.include(fire!.reason, "not found")
        assert.deepInclude(fire!.error, { type: "setup", code: "not_found" })
        const view = yield* eventually("broken", host.do(viewOf(made.cron)), ({ status }) => status === "broken")
        assert.include(view.status_reason, "Mars/Base")
        assert.strictEqual((yield* host.do(viewOf(made.model))).status, "broken")
        const { items } = yield* host.do(Effect.flatMap(Scheduler, (scheduler) => scheduler.list(who.user_id, page)))
        assert.strictEqual(items.length, 4)
        // A change that mends it lets it go on.
        const mended = yield* host.do(
          Effect.flatMap(Scheduler, (scheduler) => scheduler.change(who.user_id, made.cron.id, { timezone: "UTC" }))
        )
        assert.strictEqual(mended.status, "active")
      }))

    it.scoped("records a fire whose session is deleted as failed, and goes when its agent goes", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const schedule = yield* host.do(scheduled(who, { description: "sleep 600000" }))
        yield* host.do(Effect.flatMap(Scheduler, (scheduler) => scheduler.trigger(who.user_id, schedule.id)))
        yield* host.do(wake)
        const [running] = yield* eventually(
          "it runs",
          host.do(firesOf(schedule)),
          ([fire]) => fire?.status === "running"
        )
        const { agents, sessions } = yield* Storage
        yield* host.do(Effect.gen(function*() {
          const session = yield* sessions.get(who.user_id, running!.session_id!)
          yield* (yield* SessionHub).forget(session)
          yield* sessions.remove(who.user_id, session.id)
        }))
        const [fire] = yield* host.do(settled(schedule, 1))
        assert.include(["failed", "interrupted"], fire!.status)
        yield* agents.remove(who.user_id, who.agent_id)
        assert.strictEqual((yield* Effect.flip(host.do(viewOf(schedule))))._tag, "NotFound")
      }))

    it.scoped("keeps as many sessions as it is told to", () =>
      Effect.gen(function*() {
        const host = yield* process()
        const who = yield* host.do(owner)
        const schedule = yield* host.do(
          scheduled(who, { interval_seconds: 0.2, max_fires: 5, keep_sessions: 2, overlap: "queue" })
        )
        const fires = yield* host.do(settled(schedule, 5))
        const ids = yield* eventually(
          "two are left",
          host.do(Effect.flatMap(Scheduler, (scheduler) => scheduler.sessions(who.user_id, schedule.id, page))),
          ({ items }) => items.length <= 2
        )
        assert.sameMembers(ids.items.map(({ id }) => id), fires.slice(-2).map(({ session_id }) => session_id!))
      }))

    it.scoped("takes turns between owners, whatever one of them has waiting", () =>
      Effect.gen(function*() {
        const host = yield* idle
        const [busy, other] = [yield* host.do(owner), yield* host.do(owner)]
        const many = yield* host.do(Effect.forEach(Array.from({ length: 30 }), () => scheduled(busy)))
        const one = yield* host.do(scheduled(other))
        yield* Effect.forEach(many, (schedule) => overdue(schedule))
        yield* overdue(one)
        const store = yield* ScheduleStore
        const due = yield* store.due(4)
        assert.include(due.map(({ id }) => id), one.id)
        const now = yield* store.now
        const all = (yield* store.due(1_000)).filter(({ owner }) => owner === busy.user_id || owner === other.user_id)
        yield* store.advance(all.map((due) => planOf(due, now, () => freshId() as never)))
        const taken = yield* store.take({
          sender: "me",
          lease: 60_000,
          limit: 8,
          perOwner: 3,
          maxRunning: 100,
          without: []
        })
        assert.include(taken.map(({ schedule_id }) => schedule_id), one.id)
        assert.isAtMost(taken.filter(({ user_id }) => user_id === busy.user_id).length, 3)
        const without = yield* store.take({
          sender: "me",
          lease: 60_000,
          limit: 100,
          perOwner: 100,
          maxRunning: 100,
          without: [busy.user_id]
        })
        assert.isFalse(without.some(({ user_id }) => user_id === busy.user_id))
      }))
  })
