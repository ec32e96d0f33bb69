/** The one path of MCP over HTTP: messages in by POST, and by GET what was lost of a stream. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"

/** Where GET at the mount is answered when it wants a stream: at `/mcp` itself the native API has a list. */
export const streamPath = "/stream"

const text = Schema.optional(Schema.String)

const headers = Schema.Struct({
  "mcp-protocol-version": text,
  "mcp-session-id": text,
  "mcp-method": text,
  "mcp-name": text,
  "last-event-id": text,
  ...idempotencyKey,
  ...keyHeaders
})

class McpApi extends HttpApiGroup.make("mcp")
  .add(
    HttpApiEndpoint.post("send", "/")
      .setHeaders(headers)
      .setPayload(JsonObject)
      .addSuccess(JsonObject)
      .addSuccess(EventStream)
      .addSuccess(HttpApiSchema.Empty(202))
      .annotateContext(operation({
        scope: "chat",
        summary: "Send one message of MCP",
        description: "A JSON-RPC request, notification or response of the revisions 2026-07-28, 2025-11-25 and older. "
          + "Answers with one object, or with a stream that ends with it.",
        example: { jsonrpc: "2.0", id: 1, method: "ping" }
      }))
  )
  .add(
    HttpApiEndpoint.get("resume", streamPath)
      .setHeaders(headers)
      .addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        summary: "Go on with a stream that was cut",
        description:
          "What GET at the mount answers that accepts `text/event-stream`. With the Last-Event-ID of a stream of the revision 2025-11-25: answers with what comes after it. "
          + "There are no streams beside those of requests."
      }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(HttpApi.make("mcp").add(McpApi))
  .annotate(OpenApi.Title, "Stoa: MCP server")
  .annotate(OpenApi.Version, "2026-07-28")
  .annotate(
    OpenApi.Description,
    "Agents as tools, and their sessions as resources, for clients of the Model Context Protocol."
  )
