import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import type { CredentialId } from "../../domain/Ids.ts"
import { embeddingCardView, type ModelCard } from "../../domain/Model.ts"
import { Auth } from "../../services/Auth.ts"
import { Models } from "../../services/Models.ts"
import { Vault } from "../../services/Vault.ts"
import { Api } from "../Api.ts"
import { formOf } from "../FormSchema.ts"
import { identify } from "../middleware/Authentication.ts"

export const layer = HttpApiBuilder.group(Api, "models", (handlers) =>
  Effect.gen(function*() {
    const knowing = { auth: yield* Auth, vault: yield* Vault }
    const { card, cards, embeddingCards } = yield* Models

    const drawn = (model: ModelCard): ModelCard => ({ ...model, parameter_schema: formOf(model.parameter_schema) })

    const listed = <Card>(models: ReadonlyArray<Card>) => ({ models, total: models.length })

    /** Only who names a credential has to say who it is. */
    const through = (credential_id: CredentialId | undefined) =>
      credential_id === undefined
        ? Effect.succeed(undefined)
        : Effect.map(identify(knowing, "read"), ({ user_id }) => ({ owner: user_id, credential_id }))

    return handlers
      .handle("list", ({ urlParams: { credential_id, provider } }) =>
        Effect.map(
          Effect.flatMap(through(credential_id), (own) => cards(provider, own)),
          (models) => listed(models.map(drawn))
        ))
      .handle("get", ({ path: { name, provider }, urlParams: { credential_id } }) =>
        Effect.map(
          Effect.flatMap(through(credential_id), (own) => card(provider, name, own)),
          drawn
        ))
      .handle("embeddings", ({ urlParams: { provider } }) =>
        Effect.map(embeddingCards(provider), (models) =>
          listed(models.map(embeddingCardView))))
      // The look-up tells a provider that has none from one that is not there.
      .handle("speech", ({ urlParams: { provider } }) =>
        Effect.as(embeddingCards(provider), listed([])))
  }))
