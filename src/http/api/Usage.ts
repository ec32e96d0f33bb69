import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { UsageReport, UsageRequest } from "../../domain/UsageReport.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"

export class UsageApi extends HttpApiGroup.make("usage")
  .add(
    HttpApiEndpoint.get("sum", "/usage").setUrlParams(UsageRequest).addSuccess(UsageReport)
      .annotateContext(operation({
        scope: "read",
        summary: "Sum your calls of models",
        description:
          "By day unless `group_by` names one to three of day, provider, model, credential, agent, session and run, such as `day,model`. The last 30 days unless `from` and `to` (not included) say otherwise; days are UTC. A call counts from when it began, also after its session is deleted."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "What was asked of models, and what it cost.")
{}
