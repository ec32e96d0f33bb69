import { Args, Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import * as Addressed from "../Addressed.ts"
import type { Ask } from "../Asking.ts"
import { turn } from "../Chat.ts"
import { connect, connection } from "../Connection.ts"
import { exitCodes, explain, misused } from "../Failed.ts"
import { optionalText } from "../Inputs.ts"
import { modelName } from "../Model.ts"
import { dim, Screen } from "../Screen.ts"

const options = {
  agent: optionalText("agent", "ID|NAME", `The agent (default: ${Addressed.defaultAgent}, made when there is none)`),
  session: optionalText("session", "ID", "The session (default: the agent's newest)"),
  fresh: Options.boolean("new").pipe(Options.withDescription("Begin a new session")),
  model: optionalText(
    "model",
    "PROVIDER:MODEL",
    `The model (default: the session's, its agent's, or ${Addressed.defaultModel})`
  ),
  quiet: Options.boolean("quiet").pipe(
    Options.withAlias("q"),
    Options.withDescription("Print the reply's text only, without thoughts and tool calls")
  ),
  approve: Options.boolean("approve").pipe(Options.withDescription("Allow every tool that asks")),
  deny: Options.boolean("deny").pipe(Options.withDescription("Refuse every tool that asks")),
  output: Options.choice("output", ["text", "json", "ndjson"]).pipe(
    Options.withAlias("o"),
    Options.withDescription("The reply as text, as one JSON message, or every event as a line of JSON"),
    Options.withDefault("text" as const)
  ),
  ...connection
}

type Say = (text: string, ask: Ask) => ReturnType<typeof turn>

const conversationHelp = `  /help            this
  /exit or Ctrl-D  leaves
  Ctrl-C           stops the reply; a second time it leaves
Everything else is said to the agent. More is in stoa chat --help.
`

const nothingToSay = misused("Nothing to say: give a text, or - to read it from standard input.")

const isInput = (words: ReadonlyArray<string>) => words.length === 1 && words[0] === "-"

const textOfInput = Effect.gen(function*() {
  const text = (yield* (yield* Screen).input).replace(/\r?\n$/, "")
  return text.trim() === "" ? yield* nothingToSay : text
})

/** Runs until /exit or Ctrl-D. A run that fails is reported and does not end the conversation. */
const converse = Effect.fnUntraced(function*(say: Say) {
  const screen = yield* Screen
  const { next } = yield* screen.conversation
  while (true) {
    const line = Option.map(yield* next("> "), (text) => text.trim())
    if (Option.isNone(line)) return yield* screen.err("\n")
    if (line.value === "/exit" || line.value === "/quit") return
    if (line.value === "/help") {
      yield* screen.err(conversationHelp)
      continue
    }
    if (line.value === "") continue
    yield* say(line.value, next).pipe(
      Effect.catchTag("Stopped", () => Effect.void),
      Effect.catchAll((error) => {
        const { exitCode, line } = explain(error)
        return exitCode === exitCodes.interrupted ? Effect.fail(error) : screen.err(`${line}\n`)
      })
    )
  }
}, Effect.scoped)

export const chat = Command.make(
  "chat",
  {
    words: Args.text({ name: "agent|text" }).pipe(
      Args.withDescription(
        "An agent's name, if one is called like the first word, and what to say; - reads standard input; without a " +
          "text, a conversation on the terminal"
      ),
      Args.repeated
    ),
    ...options
  },
  (options) =>
    Effect.gen(function*() {
      const screen = yield* Screen
      if (Option.isSome(options.session) && options.fresh) return yield* misused("Give --session or --new, not both.")
      if (options.approve && options.deny) return yield* misused("Give --approve or --deny, not both.")
      const isBlank = options.words.join("").trim() === ""
      if (isBlank && (options.words.length > 0 || !screen.isInteractive)) return yield* nothingToSay
      // Before anybody is asked: an empty text makes no session.
      const early = isInput(options.words) ? yield* textOfInput : undefined
      const connected = yield* connect(options)
      const { agent, words } = yield* Addressed.addressed(connected, options, options.words)
      if (words.length === 0 && !screen.isInteractive) return yield* nothingToSay
      const given = early ?? (isInput(words) ? yield* textOfInput : words.join(" "))
      const session = yield* Addressed.sessionOf(connected, agent, options)
      const consent = options.approve ? "approve" : options.deny ? "deny" : screen.isInteractive ? "ask" : "nobody"
      const say: Say = (text, ask) =>
        turn(connected, {
          agent: session.agent_id,
          session: session.id,
          text,
          format: options.output,
          isQuiet: options.quiet,
          consent,
          ask
        })
      if (words.length > 0) {
        return yield* say(given, (prompt) =>
          Effect.scoped(Effect.flatMap(screen.conversation, ({ next }) => next(prompt))))
      }
      if (!options.quiet) {
        const model = modelName(session.config.chat_model_config) || "the model that its agent says"
        const about = `session ${session.id}, ${model}; /help tells more, /exit leaves, Ctrl-C stops a reply`
        yield* screen.err(`${dim(about, screen.hasColour.err)}\n`)
      }
      yield* converse(say)
    })
).pipe(Command.withDescription("Talk to an agent"))
