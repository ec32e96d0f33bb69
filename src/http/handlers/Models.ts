import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import type { CredentialId } from "../../domain/Ids.ts"
import { Auth } from "../../services/Auth.ts"
import { Models } from "../../services/Models.ts"
import { Api } from "../Api.ts"
import { identify } from "../middleware/Authentication.ts"

export const layer = HttpApiBuilder.group(Api, "models", (handlers) =>
  Effect.gen(function*() {
    const auth = yield* Auth
    const { card, cards, embeddingCards } = yield* Models

    const listed = <Card>(models: ReadonlyArray<Card>) => ({ models, total: models.length })

    /** Only who names a credential has to say who it is. */
    const through = (credential_id: CredentialId | undefined) =>
      credential_id === undefined
        ? Effect.succeed(undefined)
        : Effect.map(identify(auth, "read"), ({ user_id }) => ({ owner: user_id, credential_id }))

    return handlers
      .handle("list", ({ urlParams: { credential_id, provider } }) =>
        Effect.map(
          Effect.flatMap(through(credential_id), (own) => cards(provider, own)),
          listed
        ))
      .handle("get", ({ path: { name, provider }, urlParams: { credential_id } }) =>
        Effect.flatMap(through(credential_id), (own) =>
          card(provider, name, own)))
      .handle("embeddings", ({ urlParams: { provider } }) =>
        Effect.map(embeddingCards(provider), listed))
  }))
