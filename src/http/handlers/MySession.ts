/** The session that a request is about, if it is the asker's. */
import { Effect } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import type { AgentId, SessionId } from "../../domain/Ids.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Storage } from "../../services/Storage.ts"
import { note } from "../LogNotes.ts"

export const make = Effect.map(Storage, ({ sessions }) =>
/** A given agent must be the session's. */
(id: SessionId, agent?: AgentId) =>
  CurrentPrincipal.pipe(
    Effect.tap(note({ session_id: id })),
    Effect.flatMap(({ user_id }) => sessions.get(user_id, id)),
    Effect.filterOrFail(({ agent_id }) => agent === undefined || agent === agent_id, () => NotFound.of("Session", id))
  ))

/** The workspace of such a session, and whose it is. */
export const places = Effect.map(
  make,
  (mine) => (params: { readonly session_id: SessionId; readonly agent_id?: AgentId | undefined }) =>
    Effect.map(mine(params.session_id, params.agent_id), ({ agent_id, config, user_id }) => ({
      owner: user_id,
      of: { agent_id, workspace_id: config.workspace_id }
    }))
)
