import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { CredentialCheck, CredentialDraft, CredentialInUse, CredentialRecord } from "../../domain/Credential.ts"
import { Conflict, Malformed, NotFound } from "../../domain/Errors.ts"
import { CredentialId } from "../../domain/Ids.ts"
import { JsonObject } from "../../domain/Json.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"

const id = HttpApiSchema.param("credential_id", CredentialId)

export const CredentialCreated = Schema.Struct({ credential_id: CredentialId })

export class CredentialsApi extends HttpApiGroup.make("credentials")
  .add(
    HttpApiEndpoint.get("list", "/credential").setUrlParams(PageRequest)
      .addSuccess(listOf("credentials", CredentialRecord)).addError(Malformed)
  )
  .add(
    HttpApiEndpoint.post("create", "/credential").setHeaders(IdempotencyHeaders).setPayload(CredentialDraft)
      .addSuccess(CredentialCreated, { status: 201 })
  )
  .add(HttpApiEndpoint.get("get")`/credential/${id}`.addSuccess(CredentialRecord).addError(NotFound))
  .add(
    HttpApiEndpoint.patch("update")`/credential/${id}`.setPayload(CredentialDraft)
      .addSuccess(CredentialRecord)
      .addError(NotFound)
      .addError(Conflict)
      .annotate(OpenApi.Description, "Replaces it all, except that secrets that are absent or masked stay as they are.")
  )
  .add(
    HttpApiEndpoint.del("remove")`/credential/${id}`
      .setUrlParams(Schema.Struct({ force: Schema.optionalWith(Schema.BooleanFromString, { default: () => false }) }))
      .addError(NotFound)
      .addError(CredentialInUse)
      .annotate(
        OpenApi.Description,
        "Refused with 409 while sessions or agents use it; `used_by` names them. With `force=true` it goes all the same."
      )
  )
  .add(
    HttpApiEndpoint.post("test")`/credential/${id}/test`.addSuccess(CredentialCheck).addError(NotFound)
      .annotate(
        OpenApi.Description,
        "Asks the provider whether the credential works, how fast, and which models it sees. Gives up after 10 seconds."
      )
  )
  .middlewareEndpoints(Authentication)
  .add(
    HttpApiEndpoint.get("schemas", "/credential/schemas").addSuccess(
      Schema.Struct({ schemas: Schema.Array(JsonObject) })
    )
      .annotate(OpenApi.Description, "A JSON schema per credential type, for forms. Needs no identity.")
  )
  .annotate(OpenApi.Description, "How to reach a model provider. Secrets go in and never come out.")
{}
