/**
 * The database itself, without a server. An embedded one has one process at a
 * time: while a server holds it, that server is asked instead.
 */
import { Command, Options } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Stream } from "effect"
import { Health } from "../../domain/Health.ts"
import type { Settings } from "../../domain/Settings.ts"
import type { MigrationStatus } from "../../layers/Sql/Migrations.ts"
import type { DataDirLocked } from "../../layers/Sql/pglite/DirectoryLock.ts"
import { connect, connection, type ConnectionOptions } from "../Connection.ts"
import { database, isThere, migrations, nameOf, sqlFailed } from "../db/Database.ts"
import { failed } from "../Failed.ts"
import { confirm, yes } from "../Inputs.ts"
import { type Column, type Format, output, print, printAll, printRecord } from "../Output.ts"
import { readSettings, settingsOptions } from "../Server.ts"

const columns: ReadonlyArray<Column<MigrationStatus>> = [
  ["version", ({ id }) => id],
  ["name", ({ name }) => name],
  ["applied", ({ appliedAt }) => appliedAt?.toISOString() ?? "pending"]
]

/** What is opened here, or the sentence that there is nothing yet. */
const whenThere = <E, R>(
  options: { readonly output: Format },
  settings: Settings,
  work: Effect.Effect<void, E, R>
) =>
  Effect.gen(function*() {
    if (yield* isThere(settings)) return yield* work
    yield* print(options.output, [], `There is no database in ${settings.data_dir} yet: the first start makes it.\n`)
  })

/** Asks the server that holds the database: nobody else can look into it. */
const holderOf = Effect.fnUntraced(
  function*(options: ConnectionOptions & { readonly output: Format }, _: DataDirLocked) {
    const { raw, url } = yield* connect(options)
    const { components, status, version } = yield* Effect.flatMap(
      raw.get("/health"),
      HttpClientResponse.schemaBodyJson(Health)
    )
    const parts = Object.entries(components).map(([name, state]) => `${name} ${state}`).join(", ")
    yield* print(
      options.output,
      { held_by: { url, version, status, components } },
      `In use by the server at ${url}, version ${version}, which keeps it up to date. ` +
        `Its health: ${status}${parts === "" ? "" : ` (${parts})`}.\n`
    )
  },
  (held, _, { message }) => Effect.mapError(held, () => failed(message))
)

/** A command that only looks at the steps. */
const looking = (
  name: string,
  description: string,
  show: (format: Format, steps: ReadonlyArray<MigrationStatus>) => ReturnType<typeof print>
) =>
  Command.make(name, { ...settingsOptions, ...output, ...connection }, (options) =>
    Effect.gen(function*() {
      const settings = yield* readSettings(options)
      const look = Effect.gen(function*() {
        const { all, status } = yield* migrations
        return yield* Effect.provide(status(all), database(settings))
      })
      yield* whenThere(
        options,
        settings,
        Effect.flatMap(look, (steps) => show(options.output, steps)).pipe(
          Effect.catchTags({ SqlError: sqlFailed, DataDirLocked: (locked) => holderOf(options, locked) })
        )
      )
    })).pipe(Command.withDescription(description))

const status = looking(
  "status",
  "Which versions it has had, and which wait",
  (format, steps) => printAll(format, columns, Stream.fromIterable(steps))
)

const wasApplied = ({ appliedAt }: MigrationStatus) => appliedAt !== null

const history = looking(
  "history",
  "Which versions it has had, the newest first",
  (format, steps) => printAll(format, columns, Stream.fromIterable(steps.filter(wasApplied).toReversed()))
)

interface Current {
  readonly version: number
  readonly name: string | null
  readonly applied_at: string | null
  /** How many steps wait for the next start. */
  readonly pending: number
}

const currentColumns: ReadonlyArray<Column<Current>> = [
  ["version", ({ version }) => version],
  ["name", ({ name }) => name],
  ["applied", ({ applied_at }) => applied_at],
  ["pending", ({ pending }) => pending]
]

const current = looking("current", "Which version it is at", (format, steps) => {
  const newest = steps.findLast(wasApplied)
  return printRecord(format, currentColumns, {
    version: newest?.id ?? 0,
    name: newest?.name ?? null,
    applied_at: newest?.appliedAt?.toISOString() ?? null,
    pending: steps.filter((step) => !wasApplied(step)).length
  })
})

/** The names of the steps that were done, or that there was nothing to do. */
const printDone = (format: Format, settings: Settings, done: ReadonlyArray<string>, otherwise: string) =>
  print(
    format,
    done,
    done.length === 0
      ? `Nothing to do: ${nameOf(settings)} ${otherwise}.\n`
      : done.map((name) => `${name}\n`).join("")
  )

const upgrade = Command.make("upgrade", { ...settingsOptions, ...output }, (options) =>
  Effect.gen(function*() {
    const settings = yield* readSettings(options)
    const work = Effect.gen(function*() {
      const { all, migrate } = yield* migrations
      return yield* Effect.provide(migrate(all), database(settings))
    })
    yield* whenThere(
      options,
      settings,
      Effect.flatMap(work, (done) => printDone(options.output, settings, done, "is up to date")).pipe(
        Effect.catchTags({
          SqlError: sqlFailed,
          DataDirLocked: ({ message }) => failed(`${message} A server upgrades its database when it starts.`)
        })
      )
    )
  })).pipe(Command.withDescription("Bring it to this version; a server does so when it starts"))

/** The newest version that is older than the current one; 0 when there is none. */
const before = (steps: ReadonlyArray<MigrationStatus>) => steps.filter(wasApplied).at(-2)?.id ?? 0

const downgrade = Command.make(
  "downgrade",
  {
    to: Options.integer("to").pipe(
      Options.withPseudoName("VERSION"),
      Options.withDescription("The version that is to be the newest; 0 is an empty database (default: one step back)"),
      Options.optional
    ),
    force: Options.boolean("force").pipe(Options.withDescription("Also where data is lost")),
    ...yes,
    ...settingsOptions,
    ...output
  },
  (options) =>
    Effect.gen(function*() {
      const settings = yield* readSettings(options)
      const { force } = options
      if (force) yield* confirm(`Take ${nameOf(settings)} back, with the data that is lost?`, options.yes)
      const work = Effect.gen(function*() {
        const { all, downgrade, downs, status } = yield* migrations
        const steps = yield* status(all)
        const to = Option.getOrElse(options.to, () => before(steps))
        return yield* downgrade(all, downs, { to, force })
      })
      yield* whenThere(
        options,
        settings,
        Effect.provide(work, database(settings)).pipe(
          Effect.flatMap((done) => printDone(options.output, settings, done, "is not newer")),
          Effect.catchTag("SqlError", sqlFailed)
        )
      )
    })
).pipe(Command.withDescription("Take steps back, for an older version of Stoa; refused where data would be lost"))

export const db = Command.make("db").pipe(
  Command.withDescription("The database on this machine: its versions"),
  Command.withSubcommands([status, current, history, upgrade, downgrade])
)
