import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Fire, FireStatus } from "../../domain/Fire.ts"
import { FireId, ScheduleId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import {
  NextFires,
  NextRequest,
  PreviewRequest,
  ScheduleDraft,
  SchedulePatch,
  ScheduleView
} from "../../domain/Schedule.ts"
import { Session } from "../../domain/Session.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("schedule_id", ScheduleId)

export const ScheduleCreated = named("ScheduleCreated", Schema.Struct({ schedule_id: ScheduleId }), 201)

export const ScheduleTriggered = named(
  "ScheduleTriggered",
  Schema.Struct({ schedule_id: ScheduleId, fire_id: FireId }),
  202
)

export class SchedulesApi extends HttpApiGroup.make("schedules")
  .add(
    HttpApiEndpoint.get("list", "/schedule").setUrlParams(PageRequest)
      .addSuccess(listOf("schedules", ScheduleView).annotations({ identifier: "ScheduleList" }))
      .annotateContext(operation({ scope: "read", summary: "List your schedules", description: "Oldest first." }))
  )
  .add(
    HttpApiEndpoint.post("create", "/schedule").setHeaders(IdempotencyHeaders).setPayload(ScheduleDraft)
      .addSuccess(ScheduleCreated)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "write",
        summary: "Create a schedule",
        description:
          "Give one of `cron_expression`, `interval_seconds` and `once_at`. Each fire sends `input`, or else "
          + "`description`, to the agent: in a session of its own, or in one session for all when it is `stateful`.",
        example: {
          name: "Morning",
          agent_id: "agent_id",
          cron_expression: "0 9 * * MON-FRI",
          timezone: "Europe/Athens",
          description: "It is {{time}}. What is there to do today?",
          chat_model_config: { type: "demo_credential", credential_id: "credential_id", model: "demo-chat" }
        }
      }))
  )
  .add(
    HttpApiEndpoint.get("preview", "/schedule/next").setUrlParams(PreviewRequest).addSuccess(NextFires)
      .annotateContext(operation({
        scope: "read",
        summary: "See when an expression would fire",
        description: "Nothing is stored. What is wrong with it is said as when a schedule is created."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/schedule/${id}`.addSuccess(ScheduleView).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a schedule" }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/schedule/${id}`.setPayload(SchedulePatch).addSuccess(ScheduleView)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Change a schedule",
        description:
          "Fields that are left out stay as they are. When its times change, the next one is found from now on.",
        example: { cron_expression: "30 9 * * MON-FRI" }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/schedule/${id}`.addError(Problem.NotFound).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a schedule",
        description:
          "Its history and the sessions that it made go with it; what runs in them is stopped first. One that "
          + "the operator's definitions say is 409 `cannot_delete_workspace_schedule`: it can be paused."
      }))
  )
  .add(
    HttpApiEndpoint.get("sessions")`/schedule/${id}/sessions`.setUrlParams(PageRequest)
      .addSuccess(listOf("sessions", Session).annotations({ identifier: "ScheduleSessionList" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the sessions of a schedule",
        description: "Those that its fires made, newest first."
      }))
  )
  .add(
    HttpApiEndpoint.post("pause")`/schedule/${id}/pause`.addSuccess(ScheduleView)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Pause a schedule",
        description: "It does not fire until it is resumed. What runs goes on."
      }))
  )
  .add(
    HttpApiEndpoint.post("resume")`/schedule/${id}/resume`.addSuccess(ScheduleView)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Resume a schedule",
        description: "It fires again from its next time on. A schedule that is broken is tried again."
      }))
  )
  .add(
    HttpApiEndpoint.post("trigger")`/schedule/${id}/trigger`.setHeaders(IdempotencyHeaders)
      .addSuccess(ScheduleTriggered)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "chat",
        summary: "Let a schedule fire now",
        description: "Beside its times, also while it is paused. It does not count as one of `max_fires`."
      }))
  )
  .add(
    HttpApiEndpoint.get("next")`/schedule/${id}/next`.setUrlParams(NextRequest).addSuccess(NextFires)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "See when a schedule fires next",
        description: "With the clock changes in between, in words. None while it does not fire. A jitter is not in it."
      }))
  )
  .add(
    HttpApiEndpoint.get("fires")`/schedule/${id}/fires`
      .setUrlParams(Schema.Struct({ ...PageRequest.fields, status: Schema.optional(FireStatus) }))
      .addSuccess(listOf("fires", Fire).annotations({ identifier: "FireList" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the fires of a schedule",
        description:
          "Newest first: each with its time, its lateness, its run, and what became of it. The last 1000 are kept."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Agents that work by the clock.")
{}
