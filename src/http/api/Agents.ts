import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentDraft, AgentPatch, AgentView } from "../../domain/Agent.ts"
import { AgentId } from "../../domain/Ids.ts"
import { JsonObject } from "../../domain/Json.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const id = HttpApiSchema.param("agent_id", AgentId)

export const AgentCreated = named("AgentCreated", Schema.Struct({ agent_id: AgentId }), 201)

const AgentForm = Schema.Struct({ schema: JsonObject }).annotations({ identifier: "AgentForm" })

const AgentSections = Schema.Struct({ identity: JsonObject, context_config: JsonObject, react_config: JsonObject })
  .annotations({ identifier: "AgentSections" })

export class AgentsApi extends HttpApiGroup.make("agents")
  .add(
    HttpApiEndpoint.get("list", "/agent").setUrlParams(PageRequest)
      .addSuccess(listOf("agents", AgentView).annotations({ identifier: "AgentList" }))
      .annotateContext(operation({ scope: "read", summary: "List your agents", description: "Oldest first." }))
  )
  .add(
    HttpApiEndpoint.post("create", "/agent").setHeaders(IdempotencyHeaders).setPayload(AgentDraft)
      .addSuccess(AgentCreated)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Create an agent",
        description: "An agent needs no more than a name; everything else has a default.",
        example: { name: "Zeno", system_prompt: "You are a helpful assistant. Answer in one paragraph." }
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/agent/${id}`.addSuccess(AgentView).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read an agent" }))
  )
  .add(
    HttpApiEndpoint.patch("update")`/agent/${id}`.setPayload(AgentPatch).addSuccess(AgentView).addError(
      Problem.NotFound
    ).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Change an agent",
        description: "Fields that are null or left out stay as they are.",
        example: { system_prompt: "You are a helpful assistant. Answer in one sentence." }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/agent/${id}`.addError(Problem.NotFound).addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete an agent",
        description: "Its sessions are deleted with it; what runs in them is stopped first."
      }))
  )
  .middlewareEndpoints(Authentication)
  .add(
    HttpApiEndpoint.get("form", "/agent/schema/v2").addSuccess(AgentForm)
      .annotateContext(operation({
        scope: null,
        summary: "Read the form of an agent",
        description:
          "A JSON schema for a form: what a new agent takes, with its defaults, as far as a form can draw it. "
          + "Needs no identity."
      }))
  )
  .add(
    HttpApiEndpoint.get("sections", "/agent/schema").addSuccess(AgentSections)
      .annotateContext(operation({
        scope: null,
        summary: "Read the form of an agent in three parts",
        description: "The same as older clients read it. Needs no identity."
      }))
  )
  .annotate(OpenApi.Description, "Who an agent is: its name, its prompt, its limits.")
{}
