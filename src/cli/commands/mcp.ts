import { Args, Command, Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { SessionId } from "../../domain/Ids.ts"
import { attemptMillis } from "../../domain/McpAuthorization.ts"
import { McpConfigInput } from "../../domain/McpConfig.ts"
import {
  McpLibraryDraft,
  type McpLibraryServer,
  McpServerDraft,
  type McpServerTest,
  type WorkspaceMcpServer
} from "../../domain/McpServer.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { failed, misused } from "../Failed.ts"
import { confirm, decode, optionalText, yes } from "../Inputs.ts"
import { named } from "../Named.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"
import { harmless, Screen } from "../Screen.ts"

const whereOf = (config: McpLibraryServer["mcp_config"]) =>
  config === null
    ? ""
    : config.type === "http_mcp"
    ? config.url
    : [config.command, ...config.args ?? []].join(" ")

const ofLibrary: ReadonlyArray<Column<McpLibraryServer>> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name],
  ["enabled", ({ enabled }) => enabled],
  ["shared", ({ shared }) => shared, 1],
  ["reached by", ({ mcp_config }) => whereOf(mcp_config), 2]
]

const libraryDetails: ReadonlyArray<Column<McpLibraryServer>> = [
  ...ofLibrary,
  ["title", ({ display_name }) => display_name],
  ["description", ({ description }) => description],
  ["tags", ({ tags }) => tags.join(", ")],
  ["version", ({ version }) => version]
]

const ofWorkspace: ReadonlyArray<Column<WorkspaceMcpServer>> = [
  ["name", ({ name }) => name],
  ["healthy", ({ is_healthy }) => is_healthy],
  ["tools", ({ tools }) => tools.length],
  ["to approve", ({ changes }) => changes.length],
  ["reached by", ({ mcp_config }) => whereOf(mcp_config), 1]
]

const workspaceDetails: ReadonlyArray<Column<WorkspaceMcpServer>> = [
  ["name", ({ name }) => name],
  ["reached by", ({ mcp_config }) => whereOf(mcp_config)],
  ["healthy", ({ is_healthy }) => is_healthy],
  ["error", ({ error }) => error],
  ["authorization", ({ authorization }) => authorization],
  ["tools", ({ tools }) => tools.map(({ name }) => name).join(", ")],
  ["to approve", ({ changes }) => changes.map(({ change, name }) => `${name} (${change})`).join(", ")]
]

const ofTest: ReadonlyArray<Column<McpServerTest>> = [
  ["works", ({ success }) => success],
  ["error", ({ error }) => error],
  ["tools", ({ tools }) => tools.map(({ name }) => name).join(", ")]
]

const common = { ...output, ...connection }

const session = optionalText("session", "SESSION-ID", "The session whose workspace is meant; else it is the library")

const theSession = Options.text("session").pipe(
  Options.withPseudoName("SESSION-ID"),
  Options.withDescription("The session whose workspace is meant")
)

const name = Args.text({ name: "name" }).pipe(Args.withDescription("The server's name in the workspace"))
const nameOrId = Args.text({ name: "name-or-id" }).pipe(
  Args.withDescription("The server's name, or its id in the library")
)

const sessionOf = (id: string) => Effect.map(decode(SessionId, id), (session_id) => ({ session_id }))
const inLibrary = ({ api }: Connection, text: string) =>
  Effect.flatMap(api.mcpServers.library(), (servers) => named("MCP server", servers, text))
const workspacePath = (mcp_name: string) => ({ mcp_name: encodeURIComponent(mcp_name) })

const list = Command.make("list", { session, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    if (Option.isNone(options.session)) {
      return yield* printAll(options.output, ofLibrary, Stream.fromIterable(yield* api.mcpServers.library()))
    }
    const urlParams = yield* sessionOf(options.session.value)
    const servers = yield* api.mcpServers.inWorkspace({ urlParams })
    yield* printAll(options.output, ofWorkspace, Stream.fromIterable(servers))
  })).pipe(Command.withDescription("List the MCP servers of your library, or of a session's workspace"))

const inWorkspace = ({ api }: Connection, urlParams: { readonly session_id: SessionId }, text: string) =>
  Effect.flatMap(api.mcpServers.inWorkspace({ urlParams }), (servers) =>
    Effect.map(
      named("MCP server", servers.map((one) => ({ id: one.name, name: one.name, one })), text),
      ({ one }) => one
    ))

const show = Command.make("show", { server: nameOrId, session, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const { server } = options
    if (Option.isNone(options.session)) {
      return yield* printRecord(options.output, libraryDetails, yield* inLibrary(connected, server))
    }
    const urlParams = yield* sessionOf(options.session.value)
    yield* printRecord(options.output, workspaceDetails, yield* inWorkspace(connected, urlParams, server))
  })).pipe(Command.withDescription("Show an MCP server, with its tools and what is to be approved of them"))

const how = {
  address: optionalText("address", "URL", "The server's address"),
  header: Options.text("header").pipe(
    Options.withPseudoName("'NAME: VALUE'"),
    Options.withDescription("An HTTP header; may be repeated"),
    Options.repeated
  ),
  command: optionalText("command", "PROGRAM", "Run this program in the workspace instead; for admins"),
  arg: Options.text("arg").pipe(
    Options.withPseudoName("TEXT"),
    Options.withDescription("An argument of the program; may be repeated"),
    Options.repeated
  ),
  env: Options.text("env").pipe(
    Options.withPseudoName("NAME=VALUE"),
    Options.withDescription("A variable of the program; may be repeated"),
    Options.repeated
  ),
  cwd: optionalText("cwd", "PATH", "The folder that the program begins in"),
  shared: Options.boolean("shared").pipe(Options.withDescription("Lend it to all tenants; for admins"))
}

/** `NAME: VALUE` or `NAME=VALUE` as names and values. */
const pairs = (given: ReadonlyArray<string>, mark: ":" | "=", option: string) =>
  Effect.map(
    Effect.forEach(given, (text) => {
      const at = text.indexOf(mark)
      return at < 1
        ? misused(`--${option} is a name and a value with ${JSON.stringify(mark)} between them.`)
        : Effect.succeed([text.slice(0, at).trim(), mark === ":" ? text.slice(at + 1).trim() : text.slice(at + 1)])
    }),
    (entries) => entries.length === 0 ? null : Object.fromEntries(entries) as Record<string, string>
  )

const add = Command.make("add", { name, session, ...how, ...common }, (options) =>
  Effect.gen(function*() {
    const { address, command, name } = options
    if (Option.isSome(address) === Option.isSome(command)) {
      return yield* misused("Give --address or --command, one of them.")
    }
    const mcp_config = yield* decode(
      McpConfigInput,
      Option.isSome(address)
        ? { type: "http_mcp", url: address.value, headers: yield* pairs(options.header, ":", "header") }
        : {
          type: "stdio_mcp",
          command: Option.getOrElse(command, () => ""),
          args: options.arg,
          env: yield* pairs(options.env, "=", "env"),
          cwd: Option.getOrNull(options.cwd)
        }
    )
    const connected = yield* connect(options)
    const { api } = connected
    if (Option.isSome(options.session)) {
      const urlParams = yield* sessionOf(options.session.value)
      const payload = yield* decode(McpServerDraft, { name, mcp_config })
      yield* api.mcpServers.add({ urlParams, payload })
      return yield* printRecord(options.output, workspaceDetails, yield* inWorkspace(connected, urlParams, name))
    }
    const payload = yield* decode(McpLibraryDraft, { name, mcp_config, shared: options.shared })
    yield* printRecord(options.output, libraryDetails, yield* api.mcpServers.addToLibrary({ payload }))
  })).pipe(Command.withDescription("Add an MCP server to your library, or to a session's workspace"))

const use = Command.make(
  "use",
  { server: nameOrId, session: theSession, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const urlParams = yield* sessionOf(options.session)
      const { id } = yield* inLibrary(connected, options.server)
      const { failed: reasons } = yield* api.mcpServers.addFromLibrary({
        urlParams,
        payload: { mcp_ids: [id] }
      })
      const [reason] = Object.values(reasons)
      if (reason !== undefined) return yield* failed(reason)
    })
).pipe(Command.withDescription("Add an MCP server of the library to a session's workspace"))

const test = Command.make(
  "test",
  { server: nameOrId, session, ...common },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const { id: mcp_id } = yield* inLibrary(connected, options.server)
      const path = { mcp_id }
      const urlParams = Option.isSome(options.session) ? yield* sessionOf(options.session.value) : {}
      const tested = yield* api.mcpServers.test({ path, urlParams })
      yield* printRecord(options.output, ofTest, tested)
      if (!tested.success) return yield* failed("The server does not work.")
    })
).pipe(Command.withDescription("Try whether an MCP server of the library works"))

const refresh = Command.make("refresh", { name, session: theSession, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const urlParams = yield* sessionOf(options.session)
    const server = yield* api.mcpServers.refresh({ path: workspacePath(options.name), urlParams })
    yield* printRecord(options.output, workspaceDetails, server)
  })).pipe(Command.withDescription("Connect an MCP server of a workspace anew, and look at its tools"))

const linesOf = ({ after, before, change, name }: WorkspaceMcpServer["changes"][number]) =>
  [
    `${name} (${change})`,
    ...before === null ? [] : [`- ${before.description}`, `- ${JSON.stringify(before.parameters)}`],
    ...after === null ? [] : [`+ ${after.description}`, `+ ${JSON.stringify(after.parameters)}`]
  ].map((line) => line.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ")).join("\n")

const approve = Command.make(
  "approve",
  { name, session: theSession, ...yes, ...common },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const urlParams = yield* sessionOf(options.session)
      const { changes } = yield* inWorkspace(connected, urlParams, options.name)
      const screen = yield* Screen
      for (const change of changes) yield* screen.err(`${linesOf(change)}\n`)
      if (changes.length > 0) yield* confirm("Approve these tools as they are now?", options.yes)
      // What was shown is approved, and not what is offered by then.
      const tools = Object.fromEntries(
        changes.flatMap(({ after, name }) => after === null ? [] : [[name, after.digest]])
      )
      const server = yield* api.mcpServers.approve({
        path: workspacePath(options.name),
        urlParams,
        payload: { tools }
      })
      yield* printRecord(options.output, workspaceDetails, server)
    })
).pipe(Command.withDescription("See what has changed of a server's tools, and approve it"))

/** How often it is looked whether a person has allowed it. */
const lookEvery = "2 seconds"

const login = Command.make("login", { server: nameOrId, session, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const { api } = connected
    const { server } = options
    const screen = yield* Screen
    const urlParams = Option.isSome(options.session) ? yield* sessionOf(options.session.value) : undefined
    const begun = urlParams === undefined
      ? yield* api.mcpServers.authorizeInLibrary({ path: { mcp_id: (yield* inLibrary(connected, server)).id } })
      : yield* api.mcpServers.authorize({ path: workspacePath(server), urlParams })
    if (begun.authorization_url !== null) {
      yield* screen.err(`Open this address in a browser:\n`)
      yield* screen.out(`${harmless(begun.authorization_url)}\n`)
    }
    const status = Effect.map(
      urlParams === undefined
        ? Effect.map(inLibrary(connected, server), ({ authorization }) => authorization)
        : Effect.map(inWorkspace(connected, urlParams, server), ({ authorization }) => authorization),
      (authorization) => authorization === "authorized"
    )
    // Whoever is authorized already cannot be seen to be it again.
    if (begun.authorization !== "authorized") {
      yield* Effect.repeat(Effect.delay(status, lookEvery), { until: (done) => done }).pipe(
        Effect.timeoutFail({
          duration: attemptMillis,
          onTimeout: () => failed("Nobody has allowed it in time. Begin again.")
        })
      )
      yield* screen.err("It is authorized.\n")
    }
  })).pipe(Command.withDescription("Authorize an MCP server that wants OAuth, in a browser"))

const remove = Command.make(
  "remove",
  { server: nameOrId, session, ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const { api } = connected
      const { server } = options
      if (Option.isSome(options.session)) {
        const urlParams = yield* sessionOf(options.session.value)
        yield* confirm(`Remove the MCP server ${server} from the workspace?`, options.yes)
        return yield* api.mcpServers.remove({ path: workspacePath(server), urlParams })
      }
      const { id: mcp_id } = yield* inLibrary(connected, server)
      yield* confirm(`Remove the MCP server ${server} from the library?`, options.yes)
      yield* api.mcpServers.removeFromLibrary({ path: { mcp_id } })
    })
).pipe(Command.withDescription("Remove an MCP server from your library, or from a session's workspace"))

export const mcp = Command.make("mcp").pipe(
  Command.withDescription("Servers that lend tools to agents"),
  Command.withSubcommands([list, show, add, use, test, refresh, approve, login, remove])
)
