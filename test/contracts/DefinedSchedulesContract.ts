/** What schedules of the operator's definitions promise, over every layer that keeps them. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { textOf } from "../../src/domain/MessageText.ts"
import type { ScheduleView } from "../../src/domain/Schedule.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import { Catalog } from "../../src/services/Catalog.ts"
import type { EventLog } from "../../src/services/EventLog.ts"
import type { Files as StoredFiles } from "../../src/services/Files.ts"
import type { JobStore } from "../../src/services/JobStore.ts"
import type { Ledger } from "../../src/services/Ledger.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import type { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { Storage } from "../../src/services/Storage.ts"
import type { TaskStore } from "../../src/services/TaskStore.ts"
import type { Tenants } from "../../src/services/Tenants.ts"
import { eventually, type Live, live, type LiveOptions } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { bus } from "../support/peers.ts"
import { owner, settled } from "../support/schedules.ts"

const page = { limit: 100, cursor: undefined }
const schedule_min_seconds = 0.1

/** Far away from now, so that it does not fire by itself. */
const yearly = "0 0 29 2 *"

const definitions = Effect.acquireRelease(
  Effect.sync(() => {
    const root = mkdtempSync(join(tmpdir(), "stoa-schedules-"))
    const write = (schedules: string, more = "model: demo/demo-script") => {
      mkdirSync(join(root, "agents/ada"), { recursive: true })
      writeFileSync(join(root, "agents/ada/AGENT.md"), `---\n${more}\nschedules: [${schedules}]\n---\nYou are Ada.`)
    }
    return { root, write }
  }),
  ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)

/** A process that serves this folder. */
const process = (root: string, options: LiveOptions = {}) =>
  Effect.gen(function*() {
    const catalog = Files.layer({ dir: root, schedule_min_seconds })
    const host = yield* live({ ...options, engine: { schedule_min_seconds, catalog } })
    yield* Effect.forkScoped(host.do(Effect.flatMap(Scheduler, ({ run }) => run)))
    return host
  })

const reload = Effect.flatMap(Catalog, ({ reload }) => reload)

const seen = (
  host: Live,
  user: ScheduleView["user_id"],
  what: string,
  isSo: (all: ReadonlyArray<ScheduleView>) => boolean
) =>
  eventually(
    what,
    host.do(Effect.flatMap(Scheduler, (scheduler) => Effect.map(scheduler.list(user, page), ({ items }) => items))),
    isSo
  )

const entry = (name: string, user: string, more = "") =>
  `{ name: ${name}, cron: "${yearly}", message: say hello, users: [${user}]${more} }`

export const definedSchedulesContract = <E>(
  name: string,
  storage: Layer.Layer<Storage | EventLog | StoredFiles | Ledger | ScheduleStore | JobStore | TaskStore | Tenants, E>
): void =>
  layer(storage, { timeout: patience(60_000), excludeTestServices: true })(
    `Schedules of definitions: ${name}`,
    (it) => {
      it.scoped("fire for each user that they name, with the model of the definition", () =>
        Effect.gen(function*() {
          const [one, other] = yield* Effect.all([owner, owner])
          const { root, write } = yield* definitions
          write(
            `{ name: tick, cron: "* * * * * *", message: "say {{schedule_name}}", input: { n: 1 }, instructions: Be brief., `
              + `users: [${one.user_id}] }, ${entry("other", other.user_id)}`
          )
          const host = yield* process(root)
          const [tick] = yield* seen(host, one.user_id, "it is there", ({ length }) => length === 1)
          assert.deepInclude(tick!.data, {
            name: "tick",
            source: "DEFINITION",
            chat_model_config: null,
            definition: { agent: "ada", enabled: true, is_gone: false }
          })
          const [fire] = yield* host.do(settled(tick!, 1))
          assert.strictEqual(fire!.status, "completed", fire!.reason ?? "")
          const { runs } = yield* Storage
          const run = yield* runs.get(one.user_id, fire!.run_id!)
          assert.deepInclude(run, { source: "schedule", instructions: "Be brief." })
          assert.match(textOf(run.input[0]!.content), /^say tick\n\nThe input, as JSON:\n\{"n":1\}$/)
          const others = yield* seen(host, other.user_id, "the other has its own", ({ length }) => length === 1)
          assert.strictEqual(others[0]!.data.name, "other")
        }))

      it.scoped("change and end with the file, keep their history, and come back", () =>
        Effect.gen(function*() {
          const { user_id } = yield* owner
          const { root, write } = yield* definitions
          write(`${entry("stays", user_id)}, ${entry("goes", user_id)}`)
          const host = yield* process(root)
          const first = yield* seen(host, user_id, "both are there", ({ length }) => length === 2)
          write(entry("stays", user_id, ", timezone: Europe/Athens"))
          yield* host.do(reload)
          const second = yield* seen(
            host,
            user_id,
            "one has ended",
            (all) => all.some(({ status }) => status === "ended") && all.some(({ data }) => data.timezone !== "UTC")
          )
          const [stays, goes] = ["stays", "goes"].map((name) => second.find(({ data }) => data.name === name)!)
          assert.deepInclude(stays!, { status: "active", id: first.find(({ data }) => data.name === "stays")!.id })
          assert.match(goes!.status_reason!, /not defined any more/)
          const refused = yield* Effect.flip(
            host.do(Effect.flatMap(Scheduler, ({ change }) => change(user_id, goes!.id, { enabled: true })))
          )
          assert.strictEqual(refused.code, "schedule_undefined")
          assert.strictEqual(
            (yield* Effect.flip(host.do(Effect.flatMap(Scheduler, ({ trigger }) => trigger(user_id, goes!.id))))).code,
            "schedule_undefined"
          )
          write(`${entry("stays", user_id)}, ${entry("goes", user_id)}`)
          yield* host.do(reload)
          const third = yield* seen(
            host,
            user_id,
            "both go on",
            (all) => all.every(({ status }) => status === "active")
          )
          assert.sameMembers(
            third.map(({ id }) => id),
            first.map(({ id }) => id)
          )
          // What has ended may be removed by its owner.
          write("")
          yield* host.do(reload)
          yield* seen(host, user_id, "both have ended", (all) => all.every(({ status }) => status === "ended"))
          yield* host.do(Effect.flatMap(Scheduler, ({ remove }) => remove(user_id, goes!.id)))
        }))

      it.scoped("stay paused over restarts and reloads, until the file says something else", () =>
        Effect.gen(function*() {
          const { user_id } = yield* owner
          const { root, write } = yield* definitions
          write(`${entry("paused", user_id)}, ${entry("off", user_id, ", enabled: false")}`)
          const host = yield* process(root)
          const all = yield* seen(host, user_id, "both are there", ({ length }) => length === 2)
          const [paused, off] = ["paused", "off"].map((name) => all.find(({ data }) => data.name === name)!)
          assert.strictEqual(off!.status, "paused")
          yield* host.do(Effect.flatMap(Scheduler, ({ change }) => change(user_id, paused!.id, { enabled: false })))
          yield* host.do(Effect.flatMap(Scheduler, ({ change }) => change(user_id, off!.id, { enabled: true })))
          yield* host.end
          write(
            `${entry("paused", user_id, ", timezone: Europe/Athens")}, ${entry("off", user_id, ", enabled: false")}`
          )
          const next = yield* process(root)
          const after = yield* seen(
            next,
            user_id,
            "it was read again",
            (all) => all.some(({ data }) => data.timezone === "Europe/Athens")
          )
          assert.strictEqual(after.find(({ id }) => id === paused!.id)!.status, "paused")
          assert.strictEqual(after.find(({ id }) => id === off!.id)!.status, "active")
          write(`${entry("paused", user_id, ", enabled: false")}, ${entry("off", user_id)}`)
          yield* next.do(reload)
          write(`${entry("paused", user_id)}, ${entry("off", user_id)}`)
          yield* seen(
            next,
            user_id,
            "the file was heard",
            (all) => all.some(({ data }) => data.definition?.enabled === false)
          )
          yield* next.do(reload)
          yield* seen(next, user_id, "both are on", (all) => all.every(({ status }) => status === "active"))
        }))

      it.scoped("cannot be removed, nor changed but for whether they fire", () =>
        Effect.gen(function*() {
          const { user_id } = yield* owner
          const { root, write } = yield* definitions
          write(entry("daily", user_id))
          const host = yield* process(root)
          const schedule = (yield* seen(host, user_id, "it is there", ({ length }) => length === 1))[0]!
          const { id } = schedule
          const scheduler = yield* host.do(Scheduler)
          assert.strictEqual(
            (yield* Effect.flip(scheduler.remove(user_id, id))).code,
            "cannot_delete_workspace_schedule"
          )
          for (const patch of [{ name: "mine" }, { cron_expression: "* * * * *" }, { enabled: false, input: null }]) {
            assert.strictEqual((yield* Effect.flip(scheduler.change(user_id, id, patch))).code, "schedule_defined")
          }
          assert.strictEqual((yield* scheduler.change(user_id, id, { enabled: false })).status, "paused")
          yield* scheduler.trigger(user_id, id)
          yield* scheduler.wake
          const [fire] = yield* host.do(settled(schedule, 1))
          assert.strictEqual(fire!.status, "completed")
        }))

      it.scoped("are there once, however many processes read the same files at once", () =>
        Effect.gen(function*() {
          const { user_id } = yield* owner
          const { root, write } = yield* definitions
          write(Array.from({ length: 10 }, (_, i) => entry(`s${i}`, user_id)).join(", "))
          const peers = bus()
          const hosts = yield* Effect.all(
            Array.from({ length: 3 }, () => process(root, { peers: peers.join().layer })),
            { concurrency: "unbounded" }
          )
          yield* seen(hosts[0]!, user_id, "all are there", (all) => all.length === 10)
          yield* Effect.forEach(hosts, (host) => host.do(reload), { concurrency: "unbounded" })
          yield* Effect.sleep("100 millis")
          const all = yield* seen(hosts[1]!, user_id, "all are there", (all) => all.length === 10)
          assert.isTrue(all.every(({ status }) => status === "active"))
        }))

      it.scoped("break where the user has no credential for the model, and are tried again by a reload", () =>
        Effect.gen(function*() {
          const user_id = `without-${(yield* owner).user_id}` as ScheduleView["user_id"]
          const { root, write } = yield* definitions
          write(`{ name: tick, cron: "* * * * * *", message: say hello, users: [${user_id}] }`)
          const host = yield* process(root)
          const [broken] = yield* seen(host, user_id, "it is broken", (all) => all[0]?.status === "broken")
          assert.match(broken!.status_reason!, /you have no credential/)
          const { credentials } = yield* Storage
          const credential = (yield* credentials.host.list(page)).items[0]!
          yield* credentials.insert({ ...credential, id: `${credential.id}-own` as typeof credential.id, user_id })
          yield* host.do(reload)
          const [fire] = yield* eventually(
            "a fire has ended well",
            host.do(
              Effect.flatMap(
                Scheduler,
                (scheduler) => Effect.map(scheduler.fires(user_id, broken!.id, page, "completed"), ({ items }) => items)
              )
            ),
            ({ length }) => length > 0
          )
          assert.strictEqual(fire!.status, "completed")
        }))
    }
  )
