import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { ApiKeyDraft, ApiKeyRecord, IssuedKey } from "../../domain/ApiKey.ts"
import { Malformed, NotFound } from "../../domain/Errors.ts"
import { KeyId, UserId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"

const id = HttpApiSchema.param("key_id", KeyId)

/** All of it needs the scope `admin`. */
export class KeysApi extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("list", "/keys")
      .setUrlParams(Schema.Struct({ ...PageRequest.fields, user_id: Schema.optional(UserId) }))
      .addSuccess(listOf("keys", ApiKeyRecord)).addError(Malformed)
  )
  .add(
    HttpApiEndpoint.post("create", "/keys").setHeaders(IdempotencyHeaders).setPayload(ApiKeyDraft)
      .addSuccess(IssuedKey, { status: 201 })
      .annotate(
        OpenApi.Description,
        "The answer is the only place where the key can ever be read; with an Idempotency-Key, for 24 hours."
      )
  )
  .add(HttpApiEndpoint.del("revoke")`/keys/${id}`.addSuccess(ApiKeyRecord).addError(NotFound))
  .middleware(Authentication)
  .annotate(OpenApi.Description, "API keys of all tenants, for admins.")
{}
