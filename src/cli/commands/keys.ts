import { Command, Options } from "@effect/cli"
import { DateTime, Duration, Effect, Option, Stream } from "effect"
import { ApiKeyDraft, type ApiKeyRecord } from "../../domain/ApiKey.ts"
import { KeyId, UserId } from "../../domain/Ids.ts"
import { Scope } from "../../domain/Principal.ts"
import { admin, asAdmin } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { confirm, decode, idsArgument, optionalText, pathId, yes } from "../Inputs.ts"
import { type Column, isText, output, print, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { Screen } from "../Screen.ts"
import { resetAdmin } from "./resetAdmin.ts"

/** The options of all key commands. The caller is the admin key's own user; `create` has an option for the tenant of the new key. */
const common = { ...admin, ...output }

const columns: ReadonlyArray<Column<ApiKeyRecord>> = [
  ["id", ({ id }) => id],
  ["user", ({ user_id }) => user_id],
  ["name", ({ name }) => name],
  ["scopes", ({ scopes }) => scopes.join(","), 1],
  ["created", ({ created_at }) => created_at, 4],
  ["last used", ({ last_used_at }) => last_used_at, 3],
  ["ends", ({ expires_at, revoked_at }) => revoked_at === null ? expires_at : `revoked ${revoked_at}`, 2]
]

const list = Command.make(
  "list",
  { user: optionalText("user", "USER", "Keys of this user only"), ...limit, ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* asAdmin(options)
      const user = yield* Effect.transposeMapOption(options.user, (id) => decode(UserId, id))
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) =>
          Effect.map(
            api.keys.list({ urlParams: { ...params, ...Option.isSome(user) && { user_id: user.value } } }),
            ({ keys, next_cursor }) => ({ items: keys, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("List API keys (needs the scope admin)"))

const units = { m: "minutes", h: "hours", d: "days", w: "weeks" } as const

/** `90d` from now, or a date. */
const expiry = Effect.fnUntraced(function*(text: string) {
  const [, count, unit] = /^(\d{1,5})([mhdw])$/.exec(text) ?? []
  const time = count === undefined
    ? /^\d{4}-\d\d-\d\d/.test(text) ? DateTime.make(text) : Option.none()
    : Option.some(
      DateTime.addDuration(
        yield* DateTime.now,
        Duration.decode(`${Number(count)} ${units[unit as keyof typeof units]}`)
      )
    )
  return Option.isSome(time)
    ? DateTime.formatIso(time.value)
    : yield* misused("--expires takes a time from now, such as 12h or 90d, or a date such as 2030-01-31.")
})

const create = Command.make(
  "create",
  {
    user: Options.text("user").pipe(Options.withPseudoName("USER"), Options.withDescription("Whom the key speaks for")),
    name: optionalText("name", "TEXT", "What it is for"),
    scopes: Options.choice("scope", Scope.literals).pipe(
      Options.withDescription("What it may do, repeated (default: read, write and chat)"),
      Options.repeated
    ),
    expires: optionalText("expires", "TIME", "When it ends: 12h, 90d or a date (default: never)"),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* asAdmin(options)
      const expires_at = yield* Effect.transposeMapOption(options.expires, expiry)
      const payload = yield* decode(ApiKeyDraft, {
        user_id: options.user,
        ...Option.isSome(options.name) && { name: options.name.value },
        ...options.scopes.length > 0 && { scopes: options.scopes },
        ...Option.isSome(expires_at) && { expires_at: expires_at.value }
      })
      const issued = yield* api.keys.create({ headers: {}, payload })
      yield* print(options.output, issued, `${issued.key}\n`)
      if (isText(options.output)) {
        yield* (yield* Screen).err(`This is the only time the key is shown. Its id is ${issued.id}.\n`)
      }
    })
).pipe(Command.withDescription("Issue an API key, and print it once (needs the scope admin)"))

const revoke = Command.make(
  "revoke",
  { ids: idsArgument("key-id", "The keys' ids"), ...yes, ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* asAdmin(options)
      const ids = yield* Effect.forEach(options.ids, (id) => pathId(KeyId, "key", id))
      yield* confirm(`Revoke ${options.ids.join(", ")} for ever?`, options.yes)
      const revoked = yield* Effect.forEach(ids, (key_id) => api.keys.revoke({ path: { key_id } }))
      yield* printAll(options.output, columns, Stream.fromIterable(revoked))
    })
).pipe(Command.withDescription("End API keys at once (needs the scope admin)"))

export const keys = Command.make("keys").pipe(
  Command.withDescription("API keys of all users, for admins"),
  Command.withSubcommands([list, create, revoke, resetAdmin])
)
