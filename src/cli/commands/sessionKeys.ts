/** The names that clients of channels have for their conversations; subcommands of `stoa sessions`. */
import { Args, Command } from "@effect/cli"
import { Effect, Option } from "effect"
import { SessionKeyReset, type SessionKeyView } from "../../domain/SessionKey.ts"
import { connect, connection } from "../Connection.ts"
import { decode, optionalText } from "../Inputs.ts"
import { type Column, output, print, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const columns: ReadonlyArray<Column<typeof SessionKeyView.Type>> = [
  ["channel", ({ channel }) => channel],
  ["key", ({ key }) => key],
  ["user", ({ user }) => user, 2],
  ["session", ({ session_id }) => session_id],
  ["created", ({ created_at }) => created_at, 3],
  ["used", ({ used_at }) => used_at, 1]
]

const common = { ...output, ...connection }

export const list = Command.make("keys", { ...limit, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    yield* printAll(
      options.output,
      columns,
      all(options.limit, (urlParams) =>
        Effect.map(
          api.sessionKeys.list({ urlParams }),
          ({ keys, next_cursor }) => ({ items: keys, next: next_cursor })
        ))
    )
  })).pipe(Command.withDescription("List the keys of channels' clients, and the session of each"))

export const reset = Command.make(
  "reset",
  {
    channel: Args.text({ name: "channel" }).pipe(Args.withDescription("The channel, such as chat_completions")),
    name: Args.text({ name: "session-key" }).pipe(
      Args.withDescription("The key that the client names its conversation by")
    ),
    of: optionalText("of", "USER", "The user of the key, as `stoa sessions keys` shows it"),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const payload = yield* decode(SessionKeyReset, {
        channel: options.channel,
        key: options.name,
        ...Option.isSome(options.of) && { user: options.of.value }
      })
      const done = yield* api.sessionKeys.reset({ headers: {}, payload })
      const words = done.was_used
        ? "The next use of the key makes a new session. The old one stays.\n"
        : Option.isSome(options.of)
        ? "No session has this key of this user.\n"
        : "No session has this key. `stoa sessions keys` lists those that have; one with a user needs --of USER.\n"
      yield* print(options.output, done, words)
    })
).pipe(Command.withDescription("Let a client's key begin a new session with its next use"))
