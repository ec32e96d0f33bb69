import { Args, Command, Options } from "@effect/cli"
import { Chunk, Effect, Option, Stream } from "effect"
import { ExportFormat } from "../../domain/Export.ts"
import { Sought } from "../../domain/Find.ts"
import { AgentId, SessionId, WorkspaceId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import { maxMessages } from "../../domain/Page.ts"
import { PermissionMode } from "../../domain/Permission.ts"
import { endsStream } from "../../domain/RunOf.ts"
import { SessionDraft, SessionPatch, type SessionView } from "../../domain/Session.ts"
import { belongsTo } from "../../http/client/Run.ts"
import { connect, connection } from "../Connection.ts"
import { sentenceOf } from "../Ending.ts"
import { exported } from "../Exporting.ts"
import { failed, misused } from "../Failed.ts"
import { confirm, decode, idArgument, idsArgument, optionalText, pathId, yes } from "../Inputs.ts"
import { modelName, resolve } from "../Model.ts"
import { type Column, isText, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { bold, dim, harmless, Screen } from "../Screen.ts"
import { watching, watchOutput } from "../Watching.ts"
import * as SessionKeys from "./sessionKeys.ts"

const columns: ReadonlyArray<Column<SessionView>> = [
  ["id", ({ id }) => id],
  ["status", ({ status }) => status],
  ["agent", ({ agent_id }) => agent_id, 3],
  ["model", ({ config }) => modelName(config.chat_model_config), 1],
  ["created", ({ created_at }) => created_at, 2],
  ["name", ({ config }) => config.name]
]

const details: ReadonlyArray<Column<SessionView>> = [
  ...columns,
  ["updated", ({ updated_at }) => updated_at],
  ["workspace", ({ config }) => config.workspace_id],
  ["permissions", ({ state }) => state.permission_context.mode],
  ["source", ({ source }) => source]
]

const common = { ...output, ...connection }
const sessionId = idArgument("session-id", "The session's id")
const path = (id: string) => Effect.map(pathId(SessionId, "session", id), (session_id) => ({ session_id }))

const about = {
  name: optionalText("name", "TEXT", "What it is called"),
  model: optionalText("model", "PROVIDER:MODEL", "What it talks to, such as demo:demo-chat"),
  credential: optionalText("credential", "ID", "Through which credential (default: the provider's newest)")
}

const list = Command.make(
  "list",
  { agent: optionalText("agent", "ID", "Of this agent only"), ...limit, ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const agent = yield* Effect.transposeMapOption(options.agent, (id) => decode(AgentId, id))
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) =>
          Effect.map(
            api.sessions.list({ urlParams: { ...params, ...Option.isSome(agent) && { agent_id: agent.value } } }),
            ({ next_cursor, sessions }) => ({ items: sessions, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("List your sessions, newest first"))

const search = Command.make(
  "search",
  {
    text: Args.text({ name: "text" }).pipe(
      Args.withDescription("What to look for, in capitals or not: in the names of sessions, and in what was said")
    ),
    agent: optionalText("agent", "ID", "Of this agent only"),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const agent = yield* Effect.transposeMapOption(options.agent, (id) => decode(AgentId, id))
      const q = yield* decode(Sought, options.text)
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) =>
          Effect.map(
            api.sessions.list({ urlParams: { ...params, q, ...Option.isSome(agent) && { agent_id: agent.value } } }),
            ({ next_cursor, sessions }) => ({ items: sessions, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("Find sessions by their name and by what was said in them, newest first"))

const get = Command.make("get", { id: sessionId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    yield* printRecord(
      options.output,
      details,
      yield* api.sessions.get({ path: yield* path(options.id), urlParams: {} })
    )
  })).pipe(Command.withDescription("Show a session"))

const create = Command.make(
  "create",
  {
    agent: Options.text("agent").pipe(Options.withPseudoName("ID"), Options.withDescription("With which agent")),
    ...about,
    workspace: optionalText("workspace", "ID", "In which workspace (default: a new one)"),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      if (Option.isSome(options.credential) && Option.isNone(options.model)) {
        return yield* misused("--credential goes with --model.")
      }
      const agent_id = yield* decode(AgentId, options.agent)
      const model = yield* Effect.transposeMapOption(options.model, (text) =>
        resolve(connected, text, options.credential))
      const workspace = yield* Effect.transposeMapOption(options.workspace, (id) =>
        decode(WorkspaceId, id))
      const payload = yield* decode(SessionDraft, {
        agent_id,
        name: Option.getOrUndefined(options.name),
        workspace_id: Option.getOrUndefined(workspace),
        chat_model_config: Option.getOrUndefined(model)
      })
      const made = yield* connected.api.sessions.create({ headers: {}, payload })
      yield* print(options.output, made, `${made.session_id}\n`)
    })
).pipe(Command.withDescription("Make a session, and print its id"))

const update = Command.make(
  "update",
  {
    id: sessionId,
    ...about,
    noModel: Options.boolean("no-model").pipe(Options.withDescription("Take its model away")),
    permissions: Options.choice("permissions", PermissionMode.literals).pipe(
      Options.withDescription("Who is asked before a tool with an effect runs"),
      Options.optional
    ),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      if (options.noModel && Option.isSome(options.model)) {
        return yield* misused("Give --model or --no-model, not both.")
      }
      if (Option.isSome(options.credential) && Option.isNone(options.model)) {
        return yield* misused("--credential goes with --model.")
      }
      if (
        Option.isNone(options.name) && Option.isNone(options.model) && Option.isNone(options.permissions) &&
        !options.noModel
      ) {
        return yield* misused("Nothing to change: give --name, --model, --no-model or --permissions.")
      }
      const model = yield* Effect.transposeMapOption(
        options.model,
        (text) => resolve(connected, text, options.credential)
      )
      const payload = yield* decode(SessionPatch, {
        name: Option.getOrUndefined(options.name),
        permission_mode: Option.getOrUndefined(options.permissions),
        chat_model_config: options.noModel ? null : Option.getOrUndefined(model)
      })
      yield* printRecord(
        options.output,
        details,
        yield* connected.api.sessions.update({ path: yield* path(options.id), urlParams: {}, payload })
      )
    })
).pipe(Command.withDescription("Change a session"))

const rename = Command.make(
  "rename",
  {
    id: sessionId,
    name: Args.text({ name: "name" }).pipe(Args.withDescription("What it is called from now on")),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const payload = yield* decode(SessionPatch, { name: options.name })
      const session = yield* api.sessions.update({ path: yield* path(options.id), urlParams: {}, payload })
      yield* printRecord(options.output, details, session)
    })
).pipe(Command.withDescription("Give a session another name"))

const exportTo = Command.make(
  "export",
  {
    id: sessionId,
    format: Options.choice("format", ExportFormat.literals).pipe(
      Options.withDescription("Markdown for people, JSON for programs"),
      Options.withDefault("markdown" as const)
    ),
    file: optionalText("file", "PATH", "Into this file (default: standard output)"),
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { session_id } = yield* path(options.id)
      yield* exported(connected, `/sessions/${session_id}/export?format=${options.format}`, options.file)
    })
).pipe(Command.withDescription("Write down all that was said"))

const remove = Command.make(
  "delete",
  { ids: idsArgument("session-id", "The sessions' ids"), ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* confirm(`Delete ${options.ids.join(", ")}, with all messages?`, options.yes)
      yield* Effect.forEach(paths, (path) => api.sessions.remove({ path, urlParams: {} }), { discard: true })
    })
).pipe(Command.withDescription("Delete sessions, with their messages"))

/** A message as it is read on a terminal: thoughts left out, tool calls on a line of their own. */
const transcript = (message: Message, hasColour: boolean): string => {
  const lines = message.content.flatMap((block) => {
    switch (block.type) {
      case "text":
        return [harmless(block.text.trimEnd())]
      case "data":
        return [dim(`[${harmless(block.source.media_type)}]`, hasColour)]
      case "tool_call":
        return [dim(harmless(`→ ${block.name} ${block.input}`), hasColour)]
      case "tool_result":
        return [dim(harmless(`← ${block.name} ${block.state}: ${textOf(block.output)}`), hasColour)]
      default:
        return []
    }
  })
  const ending = sentenceOf(message)
  const last = ending === undefined ? [] : [dim(harmless(`(${ending})`), hasColour)]
  return `${bold(harmless(message.name), hasColour)}  ${message.created_at}\n${[...lines, ...last].join("\n")}\n`
}

const messages = Command.make("messages", { id: sessionId, ...limit, ...common }, (options) =>
  Effect.gen(function*() {
    const screen = yield* Screen
    const { api } = yield* connect(options)
    const session = yield* path(options.id)
    const wanted = Option.getOrElse(options.limit, () => Infinity)
    const source = Stream.paginateChunkEffect(0, (offset) =>
      Effect.map(
        api.messages.list({ path: session, urlParams: { offset, limit: Math.min(maxMessages, wanted - offset) } }),
        ({ has_more, messages }) => {
          const next = offset + messages.length
          const isLast = !has_more || messages.length === 0 || next >= wanted
          return [Chunk.fromIterable(messages), isLast ? Option.none() : Option.some(next)] as const
        }
      ))
    yield* isText(options.output)
      ? Stream.runForEach(source, (message) => screen.out(`${transcript(message, screen.hasColour.out)}\n`))
      : printAll(options.output, [], source)
  })).pipe(Command.withDescription("Show what was said, oldest first"))

const status = Command.make("status", { id: sessionId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const answer = yield* api.sessions.status({ path: yield* path(options.id), urlParams: {} })
    yield* print(options.output, answer, `${answer.status}\n`)
  })).pipe(Command.withDescription("Whether it is idle, runs, or waits for somebody"))

const interrupt = Command.make(
  "interrupt",
  {
    id: sessionId,
    drop: Options.boolean("drop").pipe(Options.withDescription("Drop the inputs that wait, too")),
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      yield* api.sessions.interrupt({
        path: yield* path(options.id),
        urlParams: { queue: options.drop ? "drop" : "keep" }
      })
    })
).pipe(Command.withDescription("Stop its run and its background tasks; an idle session stays as it is"))

const compact = Command.make(
  "compact",
  { id: sessionId, ...watchOutput, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { run_id, seq } = yield* connected.api.sessions.compact({
        path: yield* path(options.id),
        urlParams: {},
        headers: { "idempotency-key": crypto.randomUUID() }
      })
      let isDone = false
      yield* watching(connected, {
        session: options.id,
        after: Option.some(seq),
        output: options.output,
        isShown: belongsTo(run_id),
        isEnd: (event) => {
          const isEnd = event.type === "REPLY_END" && event.run_id === run_id
          if (isEnd) isDone = event.finished_reason === "completed"
          return isEnd
        }
      })
      if (!isDone) return yield* failed("The context stays as it was.")
    })
).pipe(Command.withDescription("Summarise what was said so far for its model; the transcript keeps everything"))

const watch = Command.make(
  "watch",
  {
    id: sessionId,
    after: Options.integer("after").pipe(
      Options.withPseudoName("SEQ"),
      Options.withDescription("Begin after this event; 0 is the beginning (default: the present run)"),
      Options.optional
    ),
    once: Options.boolean("once").pipe(Options.withDescription("Leave when a run ends")),
    ...watchOutput,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      yield* path(options.id)
      yield* watching(connected, {
        session: options.id,
        after: options.after,
        output: options.output,
        isShown: () => true,
        isEnd: (event) => options.once && endsStream(event)
      })
    })
).pipe(Command.withDescription("Follow its events as they happen, until Ctrl-C"))

export const sessions = Command.make("sessions").pipe(
  Command.withDescription("The exchanges between you and agents"),
  Command.withSubcommands([
    list,
    search,
    get,
    create,
    update,
    rename,
    remove,
    messages,
    exportTo,
    status,
    interrupt,
    compact,
    watch,
    SessionKeys.list,
    SessionKeys.reset
  ])
)
