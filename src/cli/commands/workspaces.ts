import { Command, Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { WorkspaceKey, type WorkspaceRecord } from "../../domain/Workspace.ts"
import { connect, connection } from "../Connection.ts"
import { confirm, idArgument, idsArgument, pathId, yes } from "../Inputs.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"

const columns: ReadonlyArray<Column<WorkspaceRecord>> = [
  ["id", ({ id }) => id],
  ["shared by", ({ isolation }) => isolation],
  ["agent", ({ agent_id }) => agent_id, 1],
  ["workspace", ({ workspace_id }) => workspace_id, 2],
  ["last used", ({ last_used_at }) => last_used_at]
]

const details: ReadonlyArray<Column<WorkspaceRecord & { readonly bytes: number; readonly files: number }>> = [
  ...columns,
  ["created", ({ created_at }) => created_at],
  ["files", ({ files }) => files],
  ["bytes", ({ bytes }) => bytes]
]

const common = { ...output, ...connection }
const path = (id: string) => Effect.map(pathId(WorkspaceKey, "workspace", id), (workspace_key) => ({ workspace_key }))

const limit = Options.integer("limit").pipe(
  Options.withPseudoName("COUNT"),
  Options.withDescription("At most so many"),
  Options.optional
)

const list = Command.make("list", { limit, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const { workspaces } = yield* api.workspaces.list()
    const shown = workspaces.slice(0, Option.getOrElse(options.limit, () => Infinity))
    yield* printAll(options.output, columns, Stream.fromIterable(shown))
  })).pipe(Command.withDescription("List your workspaces, last used first"))

const show = Command.make(
  "show",
  { id: idArgument("workspace-id", "The workspace's id"), ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      yield* printRecord(options.output, details, yield* api.workspaces.get({ path: yield* path(options.id) }))
    })
).pipe(Command.withDescription("Show a workspace, and how much it has"))

const remove = Command.make(
  "delete",
  { ids: idsArgument("workspace-id", "The workspaces' ids"), ...yes, ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* confirm(`Delete ${options.ids.join(", ")}, with all files?`, options.yes)
      yield* Effect.forEach(paths, (path) => api.workspaces.remove({ path }), { discard: true })
    })
).pipe(Command.withDescription("Delete workspaces, with their files and what runs there"))

export const workspaces = Command.make("workspaces").pipe(
  Command.withDescription("The folders that agents work in"),
  Command.withSubcommands([list, show, remove])
)
