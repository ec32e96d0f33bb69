/** The events of a session, or of one of its runs, on the screen as they happen. */
import { Options } from "@effect/cli"
import { Effect, Option } from "effect"
import type { AgentEvent } from "../domain/Event.ts"
import { textOf } from "../domain/MessageText.ts"
import { follow } from "../http/client/Follow.ts"
import { lostNotice, teller } from "./Chat.ts"
import type { Connection } from "./Connection.ts"
import { sentenceOf } from "./Ending.ts"
import { bold, dim, harmless, Screen } from "./Screen.ts"

export const watchOutput = {
  output: Options.choice("output", ["text", "ndjson"]).pipe(
    Options.withAlias("o"),
    Options.withDescription("As text, or every event as a line of JSON"),
    Options.withDefault("text" as const)
  )
}

export interface Watching {
  readonly session: string
  readonly after: Option.Option<number>
  readonly output: "text" | "ndjson"
  /** Whether an event is shown. */
  readonly isShown: (event: AgentEvent) => boolean
  /** Whether it is the last one. */
  readonly isEnd: (event: AgentEvent) => boolean
}

export const watching = Effect.fnUntraced(
  function*(connected: Connection, { after, isEnd, isShown, output, session }: Watching) {
    const screen = yield* Screen
    const { close, tell } = yield* teller(false)
    const show = Effect.fnUntraced(function*(event: AgentEvent) {
      if (event.type === "CUSTOM" && event.name === "user_message") {
        const { content, name } = event.value.message
        yield* screen.out(`${bold(`${harmless(name)}:`, screen.hasColour.out)} ${harmless(textOf(content))}\n`)
      }
      yield* tell(event)
      const ending = event.type === "REPLY_END" ? sentenceOf(event) : undefined
      if (ending === undefined) return
      yield* close
      yield* screen.err(dim(`(${harmless(ending)})\n`, screen.hasColour.err))
    })
    yield* follow(connected, {
      session,
      after,
      isExpected: false,
      onLost: lostNotice,
      onEvent: ({ event, json }) =>
        Effect.gen(function*() {
          // An event that this program does not know is shown to programs, wherever it belongs.
          if (Option.exists(event, (known) => !isShown(known))) return false
          if (output === "ndjson") yield* screen.out(`${JSON.stringify(json)}\n`)
          else if (Option.isSome(event)) yield* show(event.value)
          return Option.exists(event, isEnd)
        })
    }).pipe(Effect.ensuring(close))
  }
)
