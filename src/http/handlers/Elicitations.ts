import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { Elicitations } from "../../services/Elicitations.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

export const layer = HttpApiBuilder.group(Api, "elicitations", (handlers) =>
  Effect.gen(function*() {
    const { answer, open } = yield* Elicitations
    const mine = yield* MySession.make

    return handlers
      .handle("list", ({ path }) =>
        Effect.flatMap(mine(path.session_id), ({ id, user_id }) =>
          Effect.map(open(user_id, id), (elicitations) => ({ elicitations }))))
      .handle("answer", ({ path, payload }) =>
        Effect.flatMap(mine(path.session_id), ({ id, user_id }) =>
          answer(user_id, id, path.elicitation_id, payload)))
  }))
