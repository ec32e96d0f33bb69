/** Paths for those who run agents: MCP servers, notifications, and reading definitions anew. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { Authentication } from "../../api/Authentication.ts"
import { operation } from "../../api/Operation.ts"
import * as Requests from "./Requests.ts"
import * as Shapes from "./Shapes.ts"
import { Timing } from "./Timing.ts"

const id = HttpApiSchema.param("mcp_id", Schema.String.pipe(Schema.maxLength(256)))

export class AdminApi extends HttpApiGroup.make("admin")
  .add(
    HttpApiEndpoint.get("notifications", "/notifications").setUrlParams(Requests.NotificationsQuery)
      .addSuccess(Shapes.Deliveries)
      .annotateContext(operation({
        scope: "read",
        summary: "List messages about runs, and whether they arrived",
        description: "Newest first, of the newest thousand."
      }))
  )
  .add(
    HttpApiEndpoint.get("servers", "/admin/mcp-servers").addSuccess(Schema.Array(Shapes.McpServer))
      .annotateContext(operation({ scope: "read", summary: "List the MCP servers of your library" }))
  )
  .add(
    HttpApiEndpoint.get("server")`/admin/mcp-servers/${id}`.addSuccess(Shapes.McpServer)
      .annotateContext(operation({ scope: "read", summary: "Read an MCP server; no secret is ever shown" }))
  )
  .add(
    HttpApiEndpoint.post("addServer", "/admin/mcp-servers").setPayload(Requests.McpServerRequest)
      .addSuccess(Shapes.McpServer)
      .annotateContext(operation({
        scope: "write",
        summary: "Add an MCP server to your library",
        description: "One that runs as a program needs a key with the scope `admin`.",
        example: { name: "search", transport: "streamable_http", url: "https://example.com/mcp" }
      }))
  )
  .add(
    HttpApiEndpoint.put("changeServer")`/admin/mcp-servers/${id}`.setPayload(Requests.McpServerPatch)
      .addSuccess(Shapes.McpServer)
      .annotateContext(operation({
        scope: "write",
        summary: "Change an MCP server",
        description: "What is left out stays, `{}` takes all away. Another host, or another program, is never sent the "
          + "secrets of the one before: give them anew."
      }))
  )
  .add(
    HttpApiEndpoint.del("removeServer")`/admin/mcp-servers/${id}`.addSuccess(Shapes.Deleted)
      .annotateContext(operation({ scope: "write", summary: "Remove an MCP server" }))
  )
  .add(
    HttpApiEndpoint.post("testServer")`/admin/mcp-servers/${id}/test`.addSuccess(Shapes.McpTest)
      .annotateContext(operation({ scope: "write", summary: "Find out whether an MCP server can be reached" }))
  )
  .add(
    HttpApiEndpoint.post("refreshServer")`/admin/mcp-servers/${id}/refresh`.addSuccess(Shapes.McpTest)
      .annotateContext(operation({ scope: "write", summary: "Connect to an MCP server anew" }))
  )
  .add(
    HttpApiEndpoint.get("serverTools")`/admin/mcp-servers/${id}/tools`.addSuccess(Schema.Array(Shapes.ToolInfo))
      .annotateContext(operation({ scope: "read", summary: "List the tools of an MCP server" }))
  )
  .add(
    HttpApiEndpoint.post("reload", "/reload").addSuccess(Shapes.Reloaded)
      .annotateContext(operation({
        scope: "admin",
        summary: "Read the definitions of agents, tools and skills anew",
        description: "All of it takes the place of what was there, or, when anything is wrong, nothing does: 422, with "
          + "each file and line in `details`. Runs go on as they began."
      }))
  )
  .middleware(Authentication)
  .middleware(Timing)
{}
