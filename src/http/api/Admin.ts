import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
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
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The tenants of this server and what they use, for admins.")
{}
