import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { DeliveryId, NotificationId } from "../../domain/Ids.ts"
import {
  DeliveryRecord,
  DeliveryStatus,
  NotificationDraft,
  NotificationPatch,
  NotificationRecord
} from "../../domain/Notification.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("notification_id", NotificationId)
const deliveryId = HttpApiSchema.param("delivery_id", DeliveryId)

export const NotificationCreated = named(
  "NotificationCreated",
  Schema.Struct({ notification_id: NotificationId, secret: Schema.NullOr(Schema.String) }),
  201
)

const Sent = named("DeliveryQueued", Schema.Struct({ delivery_id: DeliveryId }), 202)

export class NotificationsApi extends HttpApiGroup.make("notifications")
  .add(
    HttpApiEndpoint.get("list", "/notification").setUrlParams(PageRequest)
      .addSuccess(listOf("notifications", NotificationRecord).annotations({ identifier: "NotificationList" }))
      .annotateContext(operation({ scope: "read", summary: "List your notifications", description: "Oldest first." }))
  )
  .add(
    HttpApiEndpoint.post("create", "/notification").setHeaders(IdempotencyHeaders).setPayload(NotificationDraft)
      .addSuccess(NotificationCreated)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "write",
        summary: "Create a notification",
        description:
          "It holds for what happens from now on: for all of your runs, or those of one agent, schedule or session. "
          + "A webhook's messages are signed as Standard Webhooks says; the answer is the only place where the secret "
          + "can be read, unless you gave it.",
        example: { name: "On call", kind: "webhook", url: "https://example.com/hook", events: ["run.failed"] }
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/notification/${id}`.addSuccess(NotificationRecord).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a notification" }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/notification/${id}`.setPayload(NotificationPatch).addSuccess(NotificationRecord)
      .addError(Problem.NotFound).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Change a notification",
        description: "Fields that are left out stay as they are, the secret too. Messages that are on their way go to "
          + "the new address.",
        example: { events: ["run.failed", "run.waiting"] }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/notification/${id}`.addError(Problem.NotFound).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a notification",
        description: "Its deliveries go with it; what is on its way is not tried again."
      }))
  )
  .add(
    HttpApiEndpoint.post("test")`/notification/${id}/test`.addSuccess(Sent).addError(Problem.NotFound).addError(
      Problem.Conflict
    )
      .annotateContext(operation({
        scope: "write",
        summary: "Send a test message",
        description: "Its delivery tells how it went. It is sent also while the notification is switched off."
      }))
  )
  .add(
    HttpApiEndpoint.get("deliveries")`/notification/${id}/deliveries`
      .setUrlParams(Schema.Struct({ ...PageRequest.fields, status: Schema.optional(DeliveryStatus) }))
      .addSuccess(listOf("deliveries", DeliveryRecord).annotations({ identifier: "DeliveryList" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the messages of a notification",
        description: "Newest first, each with every attempt and what came of it. They are kept for 30 days."
      }))
  )
  .add(
    HttpApiEndpoint.post("resend")`/notification/${id}/deliveries/${deliveryId}/resend`.addSuccess(Sent)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Send a message again",
        description: "The same bytes under the same id, by which a receiver knows it. Not while it is being tried."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Who is told when runs end, fail or wait, and when schedules are missed.")
{}
