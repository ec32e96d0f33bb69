import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { Reloaded } from "../../domain/Definition.ts"
import { PageRequest } from "../../domain/Page.ts"
import { TenantList } from "../../domain/Tenant.ts"
import { AdminUsageReport, AdminUsageRequest, UsageRange } from "../../domain/UsageReport.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"

export class AdminApi extends HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.get("tenants", "/admin/tenants")
      .setUrlParams(Schema.Struct({ ...PageRequest.fields, ...UsageRange.fields }))
      .addSuccess(TenantList)
      .annotateContext(operation({
        scope: "admin",
        summary: "List the tenants",
        description: "Everybody who owns something here, by name, with how much it is and what their calls of models "
          + "cost between `from` and `to`: the last 30 days unless they say otherwise."
      }))
  )
  .add(
    HttpApiEndpoint.get("usage", "/admin/usage").setUrlParams(AdminUsageRequest).addSuccess(AdminUsageReport)
      .annotateContext(operation({
        scope: "admin",
        summary: "Sum the calls of models of all tenants",
        description: "As `GET /usage`, and by user too: by user unless `group_by` says otherwise, such as `user,day`. "
          + "With `user_id` those of one tenant."
      }))
  )
  .add(
    HttpApiEndpoint.post("reload", "/admin/reload").addSuccess(Reloaded)
      .annotateContext(operation({
        scope: "admin",
        summary: "Read the definitions again",
        description:
          "All agents, tools and skills of the folder take the place of those before at once; runs that have "
          + "begun go on as they were. When anything in the folder is wrong nothing changes, and the answer names each "
          + "place with its line and what to do."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The tenants of this server and what they use, for admins.")
{}
