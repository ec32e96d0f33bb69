import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { ApiKeyDraft, ApiKeyRecord, IssuedKey } from "../../domain/ApiKey.ts"
import { KeyId, UserId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("key_id", KeyId)

export class KeysApi extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/keys")
      .setUrlParams(Schema.Struct({ ...PageRequest.fields, user_id: Schema.optional(UserId) }))
      .addSuccess(listOf("keys", ApiKeyRecord).annotations({ identifier: "ApiKeyList" }))
      .annotateContext(operation({
        scope: "admin",
        summary: "List API keys",
        description: "Those of all tenants, or of one; oldest first. The keys themselves are nowhere."
      }))
  )
  .add(
    HttpApiEndpoint.post("create", "/keys").setHeaders(IdempotencyHeaders).setPayload(ApiKeyDraft)
      .addSuccess(named("IssuedKey", IssuedKey, 201))
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "admin",
        summary: "Issue an API key",
        description:
          "The answer is the only place where the key can ever be read; with an Idempotency-Key, for 24 hours.",
        example: { user_id: "local", name: "laptop", scopes: ["read", "write", "chat"] }
      }))
  )
  .add(
    HttpApiEndpoint.del("revoke")`/keys/${id}`.addSuccess(ApiKeyRecord).addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "admin",
        summary: "Revoke an API key",
        description: "It is refused from then on, and stays in the list. Revoked again, it stays as it is."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "API keys of all tenants, for admins.")
{}
