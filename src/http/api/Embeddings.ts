import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { EmbeddingRequest, Embeddings } from "../../domain/Embedding.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

export class EmbeddingsApi extends HttpApiGroup.make("embeddings")
  .add(
    HttpApiEndpoint.post("create", "/embedding")
      .setPayload(EmbeddingRequest)
      .addSuccess(Embeddings)
      .addError(Problem.NotFound)
      .addError(Problem.LimitReached)
      .addError(Problem.ProviderFailed)
      .annotateContext(operation({
        scope: "chat",
        summary: "Make vectors of texts",
        description: "Vectors are near to each other where the texts are near in meaning. "
          + "`demo-embedding` of a demo credential needs no key.",
        example: { credential_id: "credential_id", model: "demo-embedding", input: "The porch was painted." }
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Texts as vectors, for search by meaning.")
{}
