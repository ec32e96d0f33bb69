import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { ElicitationAnswer, ElicitationQuestion } from "../../domain/Elicitation.ts"
import { ElicitationId, SessionId } from "../../domain/Ids.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const sessionId = HttpApiSchema.param("session_id", SessionId)
const elicitationId = HttpApiSchema.param("elicitation_id", ElicitationId)

const List = Schema.Struct({ elicitations: Schema.Array(ElicitationQuestion) }).annotations({
  identifier: "ElicitationList"
})

export class ElicitationsApi extends HttpApiGroup.make("elicitations")
  .add(
    HttpApiEndpoint.get("list")`/sessions/${sessionId}/elicitations`
      .addSuccess(List)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List what tools of a session ask a person",
        description:
          "Questions that wait for an answer, oldest first. The session's stream tells of each in an event named "
          + "`elicitation_requested`, and of its end in one named `elicitation_ended`."
      }))
  )
  .add(
    HttpApiEndpoint.post("answer")`/sessions/${sessionId}/elicitations/${elicitationId}`
      .setPayload(ElicitationAnswer)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Answer what a tool asks a person",
        description:
          "The first answer counts, and what comes after it is 409, as is one that comes too late. `content` must "
          + "fit the form; the defaults of the form stand for what is left out. It goes to the tool's server and nowhere else.",
        example: { action: "decline" }
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What the servers of tools ask people while the tools are under way.")
{}
