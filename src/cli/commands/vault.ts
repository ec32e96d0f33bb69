import { Command, Options } from "@effect/cli"
import { Effect, Stream } from "effect"
import type { VaultKey, VaultRotation, VaultStatus } from "../../domain/Vault.ts"
import { admin, asAdmin, type Connection } from "../Connection.ts"
import { failed } from "../Failed.ts"
import { type Column, type Format, isText, output, print, printAll } from "../Output.ts"
import { Screen } from "../Screen.ts"

const common = { ...admin, ...output }

/** Between two looks at a rotation. */
const interval = "500 millis"

const dutiesOf = ({ hashes, seals }: VaultKey) =>
  [...(seals ? ["seals"] : []), ...(hashes ? ["recognises API keys"] : [])].join(", ")

const columns: ReadonlyArray<Column<VaultKey>> = [
  ["key", ({ id }) => id],
  ["secrets", ({ secrets }) => secrets],
  ["duties", dutiesOf]
]

const progressOf = ({ checked, total }: VaultRotation) => `${checked} of ${total} secrets`

/** What can be done next, as a sentence; undefined when there is nothing to do. */
const next = ({ keys, rotation, source, unreadable }: VaultStatus): string | undefined => {
  if (rotation?.state === "running") return `A rotation runs: ${progressOf(rotation)}.`
  if (unreadable !== null && unreadable > 0) return `${unreadable} secrets are sealed with a key that is not here.`
  const older = keys.slice(1)
  if (older.some(({ secrets }) => secrets !== 0)) {
    return "Older keys are in use: stoa vault rotate seals all secrets anew."
  }
  if (source === "file") {
    return older.length === 0 ? undefined : "Older keys are not used any more: stoa vault rotate --retire forgets them."
  }
  const spare = older.filter(({ hashes }) => !hashes).length
  return spare === 0 ? undefined : "Keys in the middle of STOA_VAULT_KEY are not used any more; the last must stay."
}

const show = Effect.fnUntraced(function*(format: Format, status: VaultStatus) {
  if (!isText(format)) return yield* print(format, status, "")
  yield* printAll(format, columns, Stream.fromIterable(status.keys))
  const advice = next(status)
  if (advice !== undefined) yield* (yield* Screen).out(`${advice}\n`)
})

const status = Command.make("status", common, (options) =>
  Effect.gen(function*() {
    const { api } = yield* asAdmin(options)
    yield* show(options.output, yield* api.vault.status())
  })).pipe(
    Command.withDescription("Which keys there are, and how many secrets each has sealed (needs the scope admin)")
  )

/** Until the server has done it. On a terminal with what it has done so far. */
const follow = Effect.fnUntraced(function*({ api }: Connection) {
  const screen = yield* Screen
  while (true) {
    const status = yield* api.vault.status()
    const { rotation } = status
    if (rotation !== null && screen.isTerminal.err) yield* screen.err(`\r${progressOf(rotation)} `)
    if (rotation?.state !== "running") {
      if (screen.isTerminal.err) yield* screen.err("\n")
      return status
    }
    yield* Effect.sleep(interval)
  }
})

const endOf = ({ rotation, source }: VaultStatus): string => {
  if (rotation === null) return "The server was restarted meanwhile: run it again.\n"
  const { fresh_key, resealed, unreadable } = rotation
  if (source === "settings" && resealed === 0) {
    return "Everything is sealed with the newest key already. To change it, put a new one in front of STOA_VAULT_KEY, " +
      "restart every process, and run this again.\n"
  }
  return `${fresh_key ? "A fresh key seals from now on. " : ""}${resealed} secrets were sealed anew` +
    `${unreadable === 0 ? "" : `; ${unreadable} cannot be opened by any key and stay as they are`}.\n`
}

const rotate = Command.make(
  "rotate",
  {
    retire: Options.boolean("retire").pipe(
      Options.withDescription("Make no key; forget those in the key file that nothing is sealed with any more")
    ),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* asAdmin(options)
      if (options.retire) return yield* show(options.output, yield* connected.api.vault.retire())
      yield* connected.api.vault.rotate()
      const ended = yield* follow(connected)
      if (ended.rotation?.state === "failed") {
        return yield* failed("The rotation failed: the reason is in the server's log. Run it again to go on.")
      }
      if (isText(options.output)) yield* (yield* Screen).out(endOf(ended))
      yield* show(options.output, ended)
    })
).pipe(Command.withDescription("Seal everything with a fresh key while the server goes on (needs the scope admin)"))

export const vault = Command.make("vault").pipe(
  Command.withDescription("The keys that secrets are sealed with"),
  Command.withSubcommands([status, rotate])
)
