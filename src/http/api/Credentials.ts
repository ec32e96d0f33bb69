import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { CredentialCheck, CredentialDraft, CredentialRecord } from "../../domain/Credential.ts"
import { CredentialId } from "../../domain/Ids.ts"
import { JsonObject } from "../../domain/Json.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("credential_id", CredentialId)

const force = Schema.BooleanFromString.annotations({ jsonSchema: { type: "boolean", default: false } })

export const CredentialCreated = named("CredentialCreated", Schema.Struct({ credential_id: CredentialId }), 201)

const CredentialSchemas = Schema.Struct({ schemas: Schema.Array(JsonObject) })
  .annotations({ identifier: "CredentialSchemas" })

export class CredentialsApi extends HttpApiGroup.make("credentials")
  .add(
    HttpApiEndpoint.get("list", "/credential").setUrlParams(PageRequest)
      .addSuccess(listOf("credentials", CredentialRecord).annotations({ identifier: "CredentialList" }))
      .annotateContext(operation({
        scope: "read",
        summary: "List your credentials",
        description: "Oldest first, secrets masked."
      }))
  )
  .add(
    HttpApiEndpoint.post("create", "/credential").setHeaders(IdempotencyHeaders).setPayload(CredentialDraft)
      .addSuccess(CredentialCreated)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Create a credential",
        description: "What `data` holds depends on its `type`; `GET /credential/schemas` lists the types. "
          + "`demo_credential` needs no key and no network.",
        example: { data: { type: "demo_credential", name: "Demo" } }
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/credential/${id}`.addSuccess(CredentialRecord).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a credential", description: "Secrets are masked." }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/credential/${id}`.setPayload(CredentialDraft)
      .addSuccess(CredentialRecord)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Replace a credential",
        description: "Replaces it all, except that secrets that are absent or masked stay as they are.",
        example: { data: { type: "demo_credential", name: "The demo" } }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/credential/${id}`
      .setUrlParams(Schema.Struct({ force: Schema.optionalWith(force, { default: () => false }) }))
      .addError(Problem.NotFound)
      .addError(Problem.CredentialInUse)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a credential",
        description:
          "Refused with 409 while sessions or agents use it; `used_by` names them. With `force=true` it goes all the same."
      }))
  )
  .add(
    HttpApiEndpoint.post("test")`/credential/${id}/test`.addSuccess(CredentialCheck).addError(Problem.NotFound)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "write",
        summary: "Test a credential",
        description:
          "Asks the provider whether the credential works, how fast, and which models it sees. Gives up after 10 seconds."
      }))
  )
  .middlewareEndpoints(Authentication)
  .add(
    HttpApiEndpoint.get("schemas", "/credential/schemas").addSuccess(CredentialSchemas)
      .annotateContext(operation({
        scope: null,
        summary: "List the types of credentials",
        description: "A JSON schema per credential type, for forms. Needs no identity."
      }))
  )
  .annotate(OpenApi.Description, "How to reach a model provider. Secrets go in and never come out.")
{}
