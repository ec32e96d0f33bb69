import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { CredentialId } from "../../domain/Ids.ts"
import { EmbeddingCardView, ModelCard, SpeechCard } from "../../domain/Model.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const text = Schema.String.pipe(Schema.maxLength(256))

/** The examples are a provider and a model that every server has. */
const type = Schema.String.pipe(Schema.maxLength(128)).annotations({ examples: ["demo_credential"] })
const name = text.annotations({ examples: ["demo-chat"] })

/** A credential whose own cards count too. */
const through = { credential_id: Schema.optional(CredentialId) }

const listed = <A, I>(identifier: string, card: Schema.Schema<A, I>) =>
  Schema.Struct({ models: Schema.Array(card), total: Schema.Int }).annotations({ identifier })

export class ModelsApi extends HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/model")
      .setUrlParams(Schema.Struct({ provider: type, ...through }))
      .addSuccess(listed("ModelList", ModelCard))
      .addError(Problem.NotFound)
      .addError(Problem.Unauthenticated)
      .addError(Problem.Forbidden)
      .annotateContext(operation({
        scope: null,
        summary: "List the models of a provider",
        description:
          "The models of a credential type, such as `demo_credential`. Needs no identity, but for a `credential_id`, "
          + "whose own cards are merged in."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/model/${HttpApiSchema.param("provider", type)}/${HttpApiSchema.param("name", name)}`
      .setUrlParams(Schema.Struct(through))
      .addSuccess(ModelCard)
      .addError(Problem.NotFound)
      .addError(Problem.Unauthenticated)
      .addError(Problem.Forbidden)
      .annotateContext(operation({
        scope: null,
        summary: "Read what is known of a model",
        description:
          "`/` and `:` in its name are percent-encoded. A model without a card can be used all the same. Needs no "
          + "identity, but for a `credential_id`."
      }))
  )
  .add(
    HttpApiEndpoint.get("embeddings", "/embedding-model")
      .setUrlParams(Schema.Struct({ provider: type }))
      .addSuccess(listed("EmbeddingModelList", EmbeddingCardView))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: null,
        summary: "List the embedding models of a provider",
        description: "The embedding models of a credential type. Needs no identity."
      }))
  )
  .add(
    HttpApiEndpoint.get("speech", "/tts-model")
      .setUrlParams(Schema.Struct({ provider: type }))
      .addSuccess(listed("SpeechModelList", SpeechCard))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: null,
        summary: "List the speech models of a provider",
        description: "The models of a credential type that read text out: none yet. Needs no identity."
      }))
  )
  .annotate(OpenApi.Description, "Which models there are, what they take and what they cost.")
{}
