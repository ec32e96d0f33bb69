import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { SessionKeyReset, SessionKeyView, SessionKeyWasReset } from "../../domain/SessionKey.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { operation } from "./Operation.ts"

export class SessionKeysApi extends HttpApiGroup.make("sessionKeys")
  .add(
    HttpApiEndpoint.get("list", "/session-keys")
      .setUrlParams(Schema.Struct(PageRequest.fields))
      .addSuccess(listOf("keys", SessionKeyView).annotations({ identifier: "SessionKeyList" }))
      .annotateContext(operation({
        scope: "read",
        summary: "List the keys of conversations",
        description:
          "The keys by which clients of channels name their conversations, and the session of each, in no order."
      }))
  )
  .add(
    HttpApiEndpoint.post("reset", "/session-keys/reset")
      .setHeaders(IdempotencyHeaders)
      .setPayload(SessionKeyReset)
      .addSuccess(SessionKeyWasReset)
      .annotateContext(operation({
        scope: "chat",
        summary: "Begin a conversation anew",
        description:
          "The next use of the key makes a new session. The old one stays, and what runs in it goes on. A key that "
          + "nobody has used is fine.",
        example: { channel: "chat_completions", key: "ada-1" }
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The names that clients of channels have for their conversations.")
{}
