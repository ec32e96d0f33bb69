/**
 * The vault that belongs to the storage beside it. A database that was moved or
 * restored without its key must not get a fresh one: its secrets could never be
 * opened again, nor its API keys be recognised, and nobody would be told.
 */
import { Context, Effect, Layer, Option, type Redacted } from "effect"
import { KeyCheck, type NeedsKey } from "../../services/KeyCheck.ts"
import { Vault } from "../../services/Vault.ts"
import * as AesGcm from "./AesGcm.ts"
import { VaultKeyUnusable } from "./Key.ts"
import * as KeyFile from "./KeyFile.ts"

export type Source = { readonly key: Redacted.Redacted<string> } | { readonly file: string }

export interface Options {
  readonly source: Source
  /** Starts with this key although storage was written with another; what that one sealed is lost. */
  readonly acceptNew: boolean
}

const sourceOf = (source: Source): Layer.Layer<Vault, VaultKeyUnusable> =>
  "file" in source ? AesGcm.layerFile(source.file) : AesGcm.layerKey(source.key)

/** Opens the vault of an existing key, and never makes a key. */
export const open = (source: Source): Effect.Effect<Option.Option<Vault["Type"]>, VaultKeyUnusable> =>
  Effect.gen(function*() {
    if ("file" in source && !(yield* KeyFile.isThere(source.file))) return Option.none()
    return Option.some(yield* Effect.provide(Vault, sourceOf(source)))
  })

/** Fails when the key exists and cannot be used. Call it before a database is made, because that does not look at the key. */
export const examine = (source: Source): Effect.Effect<void, VaultKeyUnusable> => Effect.asVoid(open(source))

/** The check value stays the same when a new key is added, as all keyed hashes do. */
export const checkValueOf = (vault: Vault["Type"]): string => vault.mac("stoa vault check")

const isNeeded = ({ hasApiKeys, sealed }: NeedsKey) => hasApiKeys || sealed !== undefined

const whatNeeds = ({ hasApiKeys, sealed }: NeedsKey) =>
  [...(sealed === undefined ? [] : ["secrets"]), ...(hasApiKeys ? ["API keys"] : [])].join(" and ") || "records"

const instead = "To begin with another key, and lose them, start once with --accept-new-vault-key"

const missing = (file: string, needs: NeedsKey) =>
  new VaultKeyUnusable({
    message: `The vault key file ${file} is missing, and the database holds ${
      whatNeeds(needs)
    } that only its key serves: put the file back, or give its key as STOA_VAULT_KEY. ${instead}.`
  })

const wrong = (source: Source, needs: NeedsKey) =>
  new VaultKeyUnusable({
    message: `${
      "file" in source ? `The key in the vault key file ${source.file}` : "STOA_VAULT_KEY (vault_key in stoa.yaml)"
    } is not the one that the database's ${whatNeeds(needs)} were made with: put the right one back. ${instead}.`
  })

/** Whether this is the key that storage was written with. */
export const matches = Effect.fnUntraced(function*(vault: Vault["Type"], kept: string | undefined, needs: NeedsKey) {
  if (kept !== undefined) return kept === checkValueOf(vault)
  // Without a check value, from an older version, a sealed text names its key.
  const id = needs.sealed === undefined ? undefined : vault.sealedWith(needs.sealed)
  return id === undefined || (yield* vault.keys).ids.includes(id)
})

export const make = ({ acceptNew, source }: Options) =>
  Effect.gen(function*() {
    const check = yield* KeyCheck
    const kept = yield* check.kept
    const opened = Effect.map(Layer.build(sourceOf(source)), Context.get(Vault))
    if (!("file" in source) || (yield* KeyFile.isThere(source.file))) {
      const vault = yield* opened
      // The search for data that needs the key reads whole tables, so it runs only when something is wrong.
      if (kept === checkValueOf(vault)) return vault
    }
    const needs = yield* check.needs
    // The file is looked for again after the wait, and before `opened` makes it.
    if ("file" in source && !acceptNew && isNeeded(needs) && !(yield* KeyFile.isThere(source.file))) {
      return yield* missing(source.file, needs)
    }
    const vault = yield* opened
    if (isNeeded(needs) && !(yield* matches(vault, kept, needs))) {
      if (!acceptNew) return yield* wrong(source, needs)
      yield* Effect.logWarning(`The vault begins with another key: what is stored of ${whatNeeds(needs)} is lost`)
    }
    const value = checkValueOf(vault)
    if (yield* check.keep(value, kept)) return vault
    // Another process started at the same moment, with the same key or another one.
    return (yield* check.kept) === value ? vault : yield* wrong(source, yield* check.needs)
  })

export const layer = (options: Options): Layer.Layer<Vault, VaultKeyUnusable, KeyCheck> =>
  Layer.scoped(Vault, make(options))
