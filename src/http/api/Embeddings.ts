import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { EmbeddingRequest, Embeddings } from "../../domain/Embedding.ts"
import { Invalid, LimitReached, NotFound, ProviderFailed } from "../../domain/Errors.ts"
import { Authentication } from "./Authentication.ts"

export class EmbeddingsApi extends HttpApiGroup.make("embeddings")
  .add(
    HttpApiEndpoint.post("create", "/embedding")
      .setPayload(EmbeddingRequest)
      .addSuccess(Embeddings)
      .addError(NotFound)
      .addError(Invalid)
      .addError(LimitReached)
      .addError(ProviderFailed)
      .annotate(
        OpenApi.Description,
        "Makes vectors of texts: near to each other where the texts are near in meaning. "
          + "`demo-embedding` of a demo credential needs no key."
      )
  )
  .middleware(Authentication)
{}
