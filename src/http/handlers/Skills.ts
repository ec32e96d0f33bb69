import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Skills } from "../../services/Skills.ts"
import { Api } from "../Api.ts"
import { asker } from "./Asker.ts"
import * as MySession from "./MySession.ts"
import * as SkillUpload from "./SkillUpload.ts"

export const layer = HttpApiBuilder.group(Api, "skills", (handlers) =>
  Effect.gen(function*() {
    const skills = yield* Skills
    const placeOf = yield* MySession.places
    const uploaded = SkillUpload.make()

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
