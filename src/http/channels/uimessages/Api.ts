/** The paths of the UI message stream below their mount: a chat's messages, its stream, and the end of its run. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Authentication } from "../../api/Authentication.ts"
import { EventStream } from "../../api/EventStream.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { keyHeaders } from "../Keys.ts"
import { ChatBody } from "./Requests.ts"

const ofChat = Schema.Struct({ chat_id: Schema.String })

const headers = Schema.Struct(keyHeaders)

class ChatsApi extends HttpApiGroup.make("chats")
  .add(
    HttpApiEndpoint.post("send", "/")
      .setHeaders(Schema.Struct({ ...idempotencyKey, ...keyHeaders }))
      .setPayload(ChatBody)
      .addSuccess(EventStream)
      .annotateContext(operation({
        scope: "chat",
        takesFiles: true,
        summary: "Talk in a chat",
        description:
          "What `useChat` sends: new words, results of the client's tools, permissions, an edited message, or the "
          + "wish for another reply. Answers with the UI message stream. The run goes on when its client leaves.",
        example: {
          id: "a-chat",
          messages: [{ id: "m1", role: "user", parts: [{ type: "text", text: "Hello!" }] }],
          trigger: "submit-message"
        }
      }))
  )
  .add(
    HttpApiEndpoint.get("resume", "/:chat_id/stream")
      .setPath(ofChat)
      .setHeaders(headers)
      .addSuccess(EventStream)
      .addSuccess(HttpApiSchema.NoContent)
      .annotateContext(operation({
        scope: "read",
        summary: "Follow the reply in the making, from its start",
        description: "204 when there is none."
      }))
  )
  .add(
    HttpApiEndpoint.post("stop", "/:chat_id/stop")
      .setPath(ofChat)
      .setHeaders(headers)
      .addSuccess(HttpApiSchema.NoContent)
      .annotateContext(operation({
        scope: "chat",
        summary: "Stop the reply in the making",
        description: "Answers when its end is durable. What was said until then is kept."
      }))
  )
  .middleware(Authentication)
{}

export const api = Problem.ofChannel(HttpApi.make("ui_messages").add(ChatsApi))
  .annotate(OpenApi.Title, "Stoa: UI message streams")
  .annotate(OpenApi.Version, "1.0.0")
  .annotate(OpenApi.Description, "What useChat of the AI SDK speaks by its default transport, answered by agents.")
