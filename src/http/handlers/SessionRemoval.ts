/** Removes a session, whichever protocol asks for it: what runs in it is stopped first, and its folder goes last. */
import { Effect } from "effect"
import type { Session } from "../../domain/Session.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Workspace } from "../../services/Workspace.ts"
import { everything } from "./Everything.ts"

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { sessions } = yield* Storage
  const workspaces = yield* Workspace

  const isWorkspaceUsed = ({ config, user_id }: Session) =>
    Effect.map(
      Effect.orDie(everything((page) => sessions.list(user_id, page, {}))),
      (all) => all.some((other) => other.config.workspace_id === config.workspace_id)
    )

  return Effect.fnUntraced(function*(session: Session) {
    yield* hub.forget(session)
    yield* sessions.remove(session.user_id, session.id)
    // Only now: a run that has just ended could have made it again.
    yield* workspaces.sessionRemoved(
      session.user_id,
      session.id,
      { agent_id: session.agent_id, workspace_id: session.config.workspace_id },
      isWorkspaceUsed(session)
    )
  })
})
