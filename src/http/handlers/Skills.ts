import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import type { AgentId, SessionId } from "../../domain/Ids.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { type SkillAsker, Skills } from "../../services/Skills.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"
import * as SkillUpload from "./SkillUpload.ts"

const asker: Effect.Effect<SkillAsker, never, CurrentPrincipal> = Effect.map(
  CurrentPrincipal,
  ({ scopes, user_id }) => ({ user_id, isAdmin: scopes.includes("admin") })
)

export const layer = HttpApiBuilder.group(Api, "skills", (handlers) =>
  Effect.gen(function*() {
    const skills = yield* Skills
    const mine = yield* MySession.make
    const uploaded = SkillUpload.make()

    const placeOf = (params: { readonly session_id: SessionId; readonly agent_id?: AgentId | undefined }) =>
      Effect.map(mine(params.session_id, params.agent_id), ({ agent_id, config, user_id }) => ({
        owner: user_id,
        of: { agent_id, workspace_id: config.workspace_id }
      }))

    return handlers
      .handle("inWorkspace", ({ urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) => skills.inWorkspace(owner, of)))
      .handle(
        "add",
        Effect.fnUntraced(function*({ payload, urlParams }) {
          const { of } = yield* placeOf(urlParams)
          yield* skills.add(yield* asker, of, { type: "folder", path: payload.skill_path })
          return null
        })
      )
      .handle("upload", ({ urlParams }) =>
        Effect.gen(function*() {
          const { of, owner } = yield* placeOf(urlParams)
          yield* skills.add(yield* asker, of, yield* uploaded(owner))
          return null
        }).pipe(Effect.scoped))
      .handle("addFromLibrary", ({ payload, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          skills.addFromLibrary(owner, of, payload.skill_ids)))
      .handle("remove", ({ path, urlParams }) =>
        Effect.flatMap(placeOf(urlParams), ({ of, owner }) =>
          skills.remove(owner, of, path.skill_name)))
      .handle("library", () =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          skills.library(user_id)))
      .handle("uploadToLibrary", ({ urlParams }) =>
        Effect.gen(function*() {
          const by = yield* asker
          return yield* skills.addToLibrary(by, yield* uploaded(by.user_id), urlParams)
        }).pipe(Effect.scoped))
      .handle("inLibrary", ({ path }) =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          skills.inLibrary(user_id, path.skill_id)))
      .handle("removeFromLibrary", ({ path }) =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          skills.removeFromLibrary(user_id, path.skill_id)))
  }))
