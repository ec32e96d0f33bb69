import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Agent, AgentDraft, AgentPatch } from "../../domain/Agent.ts"
import { Invalid, Malformed, NotFound } from "../../domain/Errors.ts"
import { AgentId } from "../../domain/Ids.ts"
import { listOf, PageRequest } from "../../domain/Page.ts"
import { Authentication } from "./Authentication.ts"
import { IdempotencyHeaders } from "./IdempotencyKey.ts"

const id = HttpApiSchema.param("agent_id", AgentId)

export const AgentCreated = Schema.Struct({ agent_id: AgentId })

export class AgentsApi extends HttpApiGroup.make("agents")
  .add(
    HttpApiEndpoint.get("list", "/agent").setUrlParams(PageRequest).addSuccess(listOf("agents", Agent)).addError(
      Malformed
    )
  )
  .add(
    HttpApiEndpoint.post("create", "/agent").setHeaders(IdempotencyHeaders).setPayload(AgentDraft)
      .addSuccess(AgentCreated, { status: 201 })
      .addError(NotFound)
      .addError(Invalid)
  )
  .add(HttpApiEndpoint.get("get")`/agent/${id}`.addSuccess(Agent).addError(NotFound))
  .add(
    HttpApiEndpoint.patch("update")`/agent/${id}`.setPayload(AgentPatch).addSuccess(Agent).addError(NotFound).addError(
      Invalid
    )
  )
  .add(HttpApiEndpoint.del("remove")`/agent/${id}`.addError(NotFound))
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Who an agent is: its name, its prompt, its limits.")
{}
