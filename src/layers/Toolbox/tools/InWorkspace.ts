/** What the tools that work in a workspace share: opening it for a call, and words for models about what went wrong. */
import { Effect, type Scope } from "effect"
import type { Session } from "../../../domain/Session.ts"
import { namesOf, pathOf, type WorkspaceError } from "../../../domain/Workspace.ts"
import type { ToolCaller, WorkingFolder } from "../../../services/Toolbox.ts"
import type { OpenWorkspace, Workspace } from "../../../services/Workspace.ts"
import { ToolFailed } from "../BuiltInTool.ts"

/** The folder in which a session begins to work, if it says so. */
const cwdOf = ({ config }: Session): string | undefined => config.cwd || undefined

export const toModel = ({ detail }: { readonly detail: string }): ToolFailed => new ToolFailed({ message: detail })

/** The caller's workspace, for as long as the call takes. */
export const opened = (
  service: typeof Workspace.Service,
  { agent, session }: ToolCaller
): Effect.Effect<OpenWorkspace, ToolFailed, Scope.Scope> =>
  Effect.mapError(
    service.open(session.user_id, { agent_id: agent.id, workspace_id: session.config.workspace_id }),
    toModel
  )

/** A path as the model wrote it, from the session's folder on. */
export const resolved = ({ root }: OpenWorkspace, { session }: ToolCaller, path: string) =>
  Effect.mapError(
    Effect.flatMap(namesOf(root, [], cwdOf(session) ?? root), (cwd) => namesOf(root, cwd, path)),
    toModel
  ).pipe(Effect.map((names) => pathOf(root, names)))

/** Where calls of tools begin that keep no folder of their own. */
export const homeOf =
  (service: typeof Workspace.Service) => (caller: ToolCaller): Effect.Effect<WorkingFolder, ToolFailed> =>
    Effect.scoped(Effect.gen(function*() {
      const workspace = yield* opened(service, caller)
      const home = yield* resolved(workspace, caller, cwdOf(caller.session) ?? workspace.root)
      return { cwd: home, home }
    }))

export const failed = <A, E extends WorkspaceError, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, ToolFailed, R> =>
  Effect.mapError(work, toModel)
