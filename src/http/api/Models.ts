import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Forbidden, NotFound, Unauthenticated } from "../../domain/Errors.ts"
import { CredentialId } from "../../domain/Ids.ts"
import { EmbeddingCard, ModelCard } from "../../domain/Model.ts"

const text = Schema.String.pipe(Schema.maxLength(256))

const type = Schema.String.pipe(Schema.maxLength(128))

/** A credential whose own cards count too. */
const through = { credential_id: Schema.optional(CredentialId) }

export class ModelsApi extends HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/model")
      .setUrlParams(Schema.Struct({ provider: type, ...through }))
      .addSuccess(Schema.Struct({ models: Schema.Array(ModelCard), total: Schema.Int }))
      .addError(NotFound)
      .addError(Unauthenticated)
      .addError(Forbidden)
      .annotate(
        OpenApi.Description,
        "The models of a credential type, such as `demo_credential`. Needs no identity, but for a `credential_id`, "
          + "whose own cards are merged in."
      )
  )
  .add(
    HttpApiEndpoint.get("get")`/model/${HttpApiSchema.param("provider", type)}/${HttpApiSchema.param("name", text)}`
      .setUrlParams(Schema.Struct(through))
      .addSuccess(ModelCard)
      .addError(NotFound)
      .addError(Unauthenticated)
      .addError(Forbidden)
      .annotate(
        OpenApi.Description,
        "What is known of one model; `/` and `:` in its name are percent-encoded. A model without a card can be used all the same."
      )
  )
  .add(
    HttpApiEndpoint.get("embeddings", "/embedding-model")
      .setUrlParams(Schema.Struct({ provider: type }))
      .addSuccess(Schema.Struct({ models: Schema.Array(EmbeddingCard), total: Schema.Int }))
      .addError(NotFound)
      .annotate(OpenApi.Description, "The embedding models of a credential type. Needs no identity.")
  )
{}
