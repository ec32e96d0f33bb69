import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "@effect/platform"
import { Schema } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import { ModelCard } from "../../domain/Model.ts"

export class ModelsApi extends HttpApiGroup.make("models")
  .add(
    HttpApiEndpoint.get("list", "/model")
      .setUrlParams(Schema.Struct({ provider: Schema.String.pipe(Schema.maxLength(128)) }))
      .addSuccess(Schema.Struct({ models: Schema.Array(ModelCard), total: Schema.Int }))
      .addError(NotFound)
      .annotate(OpenApi.Description, "The models of a credential type, such as `demo_credential`. Needs no identity.")
  )
{}
