import { Args, Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { type Agent, AgentDraft, AgentPatch } from "../../domain/Agent.ts"
import { AgentId } from "../../domain/Ids.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { confirm, decode, idArgument, idsArgument, optionalText, pathId, readText, yes } from "../Inputs.ts"
import { modelName, resolve } from "../Model.ts"
import { type Column, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"

/** Who says what the agent is: its owner, the operator's definitions, or the server's own program. */
const originOf = ({ data: { code, definition } }: Agent) =>
  definition !== undefined ? "definition" : code !== undefined ? "code" : "you"

const columns: ReadonlyArray<Column<Agent>> = [
  ["id", ({ id }) => id],
  ["name", ({ data }) => data.name],
  ["from", originOf, 1],
  ["created", ({ created_at }) => created_at, 2],
  ["updated", ({ updated_at }) => updated_at, 1]
]

const chosen = (choice: string | ReadonlyArray<string>) => typeof choice === "string" ? choice : choice.join(", ")

const details: ReadonlyArray<Column<Agent>> = [
  ...columns,
  ["tools", ({ data }) => chosen(data.tools)],
  ["model", ({ data }) => modelName(data.chat_model_config)],
  ["channels", ({ data }) => chosen(data.channels)],
  ["max iters", ({ data }) => data.react_config.max_iters],
  ["prompt", ({ data }) => data.system_prompt]
]

const common = { ...output, ...connection }

const about = {
  prompt: optionalText("prompt", "TEXT", "What the agent is told to be"),
  promptFile: optionalText("prompt-file", "PATH", "The same from a file; - is standard input"),
  tools: optionalText("tools", "NAMES", "Which tools it has: default, all, none, or names separated by commas"),
  model: optionalText(
    "model",
    "PROVIDER:MODEL",
    "What it answers with in channels such as OpenAI's API: demo:demo-chat"
  ),
  credential: optionalText("credential", "ID", "Through which credential (default: the provider's newest)"),
  channels: optionalText("channels", "NAMES", "Where it is seen: all, none, or channels separated by commas"),
  maxIters: Options.integer("max-iters").pipe(
    Options.withPseudoName("N"),
    Options.withDescription("Rounds of model and tool calls before a run gives up"),
    Options.optional
  )
}

/** One of these words, or names. */
const choiceOf = <const Word extends string>(words: ReadonlyArray<Word>, text: Option.Option<string>) =>
  Option.getOrUndefined(
    Option.map(text, (text) =>
      words.find((word) => word === text) ??
        text.split(",").map((name) => name.trim()).filter((name) => name !== ""))
  )

const toolsOf = (text: Option.Option<string>) => choiceOf(["default", "all", "none"], text)
const channelsOf = (text: Option.Option<string>) => choiceOf(["all", "none"], text)

const modelOf = Effect.fnUntraced(function*(
  connected: Connection,
  { credential, model }: { readonly credential: Option.Option<string>; readonly model: Option.Option<string> }
) {
  if (Option.isSome(credential) && Option.isNone(model)) return yield* misused("--credential goes with --model.")
  return Option.getOrUndefined(
    yield* Effect.transposeMapOption(model, (text) => resolve(connected, text, credential))
  )
})

const promptOf = (options: { readonly prompt: Option.Option<string>; readonly promptFile: Option.Option<string> }) =>
  Option.isSome(options.prompt) && Option.isSome(options.promptFile)
    ? misused("Give --prompt or --prompt-file, not both.")
    : Option.match(options.promptFile, {
      onNone: () => Effect.succeed(options.prompt),
      onSome: (path) => Effect.asSome(readText(path))
    })

const agentId = idArgument("agent-id", "The agent's id")

const list = Command.make(
  "list",
  { ...limit, ...common },
  (options) =>
    Effect.flatMap(connect(options), ({ api }) =>
      printAll(
        options.output,
        columns,
        all(options.limit, (urlParams) =>
          Effect.map(
            api.agents.list({ urlParams }),
            ({ agents, next_cursor }) => ({ items: agents, next: next_cursor })
          ))
      ))
).pipe(Command.withDescription("List your agents"))

const get = Command.make("get", { id: agentId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const agent = yield* api.agents.get({ path: { agent_id: yield* pathId(AgentId, "agent", options.id) } })
    yield* printRecord(options.output, details, agent)
  })).pipe(Command.withDescription("Show an agent"))

const create = Command.make(
  "create",
  { name: Args.text({ name: "name" }).pipe(Args.withDescription("What it is called")), ...about, ...common },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const prompt = yield* promptOf(options)
      const payload = yield* decode(AgentDraft, {
        name: options.name,
        tools: toolsOf(options.tools),
        channels: channelsOf(options.channels),
        chat_model_config: yield* modelOf(connected, options),
        ...Option.match(prompt, { onNone: () => ({}), onSome: (system_prompt) => ({ system_prompt }) }),
        ...Option.match(options.maxIters, {
          onNone: () => ({}),
          onSome: (max_iters) => ({ react_config: { max_iters } })
        })
      })
      const made = yield* api.agents.create({ headers: {}, payload })
      yield* print(options.output, made, `${made.agent_id}\n`)
    })
).pipe(Command.withDescription("Make an agent, and print its id"))

const update = Command.make(
  "update",
  { id: agentId, name: optionalText("name", "TEXT", "What it is called"), ...about, ...common },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const path = { agent_id: yield* pathId(AgentId, "agent", options.id) }
      const prompt = yield* promptOf(options)
      if (
        Option.isNone(options.name) && Option.isNone(prompt) && Option.isNone(options.maxIters) &&
        Option.isNone(options.tools) && Option.isNone(options.model) && Option.isNone(options.credential) &&
        Option.isNone(options.channels)
      ) {
        return yield* misused(
          "Nothing to change: give --name, --prompt, --prompt-file, --tools, --model, --channels or --max-iters."
        )
      }
      const react_config = yield* Effect.transposeMapOption(options.maxIters, (max_iters) =>
        Effect.map(api.agents.get({ path }), ({ data }) => ({ ...data.react_config, max_iters })))
      const payload = yield* decode(AgentPatch, {
        name: Option.getOrUndefined(options.name),
        system_prompt: Option.getOrUndefined(prompt),
        tools: toolsOf(options.tools),
        channels: channelsOf(options.channels),
        chat_model_config: yield* modelOf(connected, options),
        react_config: Option.getOrUndefined(react_config)
      })
      yield* printRecord(options.output, details, yield* api.agents.update({ path, payload }))
    })
).pipe(Command.withDescription("Change an agent"))

const remove = Command.make(
  "delete",
  { ids: idsArgument("agent-id", "The agents' ids"), ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const ids = yield* Effect.forEach(options.ids, (id) => pathId(AgentId, "agent", id))
      yield* confirm(`Delete ${options.ids.join(", ")}, with all sessions?`, options.yes)
      yield* Effect.forEach(ids, (agent_id) => api.agents.remove({ path: { agent_id } }), { discard: true })
    })
).pipe(Command.withDescription("Delete agents, with their sessions"))

export const agents = Command.make("agents").pipe(
  Command.withDescription("Who the agents are: name, prompt, limits"),
  Command.withSubcommands([list, get, create, update, remove])
)
