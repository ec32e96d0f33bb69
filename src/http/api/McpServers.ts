import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentId, McpServerId, SessionId } from "../../domain/Ids.ts"
import { McpAuthorizationStart } from "../../domain/McpAuthorization.ts"
import {
  McpLibraryDraft,
  McpLibraryPatch,
  McpLibraryServer,
  McpServerDraft,
  McpServerTest,
  WorkspaceMcpServer
} from "../../domain/McpServer.ts"
import { Authentication } from "./Authentication.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

/** The session whose workspace is meant. When an agent is given, it must be the session's. */
const of = Schema.Struct({ session_id: SessionId, agent_id: Schema.optional(AgentId) })

/** The workspace that a program is run in. */
const maybeOf = Schema.Struct({ session_id: Schema.optional(SessionId), agent_id: Schema.optional(AgentId) })

const name = HttpApiSchema.param("mcp_name", Schema.String.pipe(Schema.maxLength(256)))
const id = HttpApiSchema.param("mcp_id", McpServerId)

/** Most servers that are added at once, and most tools that are approved at once. */
const maxIds = 32
const maxTools = 256

const FromLibrary = Schema.Struct({
  mcp_ids: Schema.Array(Schema.String.pipe(Schema.maxLength(128))).pipe(Schema.maxItems(maxIds))
}).annotations({ identifier: "McpFromLibrary" })

const AddedFromLibrary = named(
  "McpAddedFromLibrary",
  Schema.Struct({
    added: Schema.Array(Schema.String),
    failed: Schema.Record({ key: Schema.String, value: Schema.String })
  }),
  201
)

const Approval = Schema.Struct({
  tools: Schema.Record({ key: Schema.String.pipe(Schema.maxLength(128)), value: Schema.String }).pipe(
    Schema.filter((tools) => Object.keys(tools).length <= maxTools || `Expected at most ${maxTools} tools`)
  )
}).annotations({ identifier: "McpApproval" })

const beginning =
  "For a server at an address that wants OAuth. A person opens `authorization_url` in a browser, allows it there, and "
  + "comes back to a page of this server. The address is good for ten minutes and for one time; beginning again ends the "
  + "attempt before it. It is null where the client has credentials of its own, and nobody needs to allow anything."

export class McpServersApi extends HttpApiGroup.make("mcpServers")
  .add(
    HttpApiEndpoint.get("inWorkspace", "/workspace/mcp").setUrlParams(of)
      .addSuccess(Schema.Array(WorkspaceMcpServer))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "List the MCP servers of a session's workspace",
        description:
          "By name, as an array. Nothing is connected for it: `is_healthy` says how it went the last time. Values of "
          + "headers and variables are masked."
      }))
  )
  .add(
    HttpApiEndpoint.post("add", "/workspace/mcp").setUrlParams(of).setPayload(McpServerDraft)
      .addSuccess(Schema.Null.annotations(HttpApiSchema.annotations({ status: 201 })))
      .addError(Problem.Forbidden)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .addError(Problem.McpServerFailed)
      .annotateContext(operation({
        scope: "write",
        summary: "Add an MCP server to a session's workspace",
        description:
          "It is connected, and the tools that it has now are approved: agents of this workspace have them as "
          + "`mcp__<server>__<tool>`. A server that cannot be reached is not added. One that runs as a program needs the "
          + "scope `admin`.",
        example: {
          name: "notes",
          is_stateful: false,
          mcp_config: { type: "http_mcp", url: "https://notes.example.com/mcp", headers: null, timeout: null }
        }
      }))
  )
  .add(
    HttpApiEndpoint.post("addFromLibrary", "/workspace/mcp/from-library").setUrlParams(of).setPayload(FromLibrary)
      .addSuccess(AddedFromLibrary)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Add MCP servers of the library to a session's workspace",
        description: "`added` has the names of those that could be reached; `failed` says of each other id why not.",
        example: { mcp_ids: [] }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/workspace/mcp/${name}`.setUrlParams(of)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Remove an MCP server from a session's workspace",
        description: "It is no error when there is none of this name. Calls that are under way fail."
      }))
  )
  .add(
    HttpApiEndpoint.post("refresh")`/workspace/mcp/${name}/refresh`.setUrlParams(of)
      .addSuccess(WorkspaceMcpServer)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Connect an MCP server anew",
        description: "It is asked for its tools. When that fails, `error` says why. Calls that are under way fail."
      }))
  )
  .add(
    HttpApiEndpoint.post("approve")`/workspace/mcp/${name}/approve`.setUrlParams(of).setPayload(Approval)
      .addSuccess(WorkspaceMcpServer)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Approve changed tools of an MCP server",
        description:
          "A tool that is new, or is not what it was when it was approved, is disabled and stands in `changes`. Its name "
          + "and the `digest` of what was shown approve it; with another digest it stays as it is.",
        example: { tools: {} }
      }))
  )
  .add(
    HttpApiEndpoint.post("authorize")`/workspace/mcp/${name}/authorize`.setUrlParams(of)
      .addSuccess(McpAuthorizationStart)
      .addError(Problem.NotFound)
      .addError(Problem.McpServerFailed)
      .annotateContext(operation({
        scope: "write",
        summary: "Begin an authorization with an MCP server of a workspace",
        description: beginning
      }))
  )
  .add(
    HttpApiEndpoint.get("library", "/mcp")
      .addSuccess(Schema.Array(McpLibraryServer))
      .annotateContext(operation({
        scope: "read",
        summary: "List the MCP servers of your library",
        description: "Yours and those that an admin shares with all tenants, by name, as an array."
      }))
  )
  .add(
    HttpApiEndpoint.post("addToLibrary", "/mcp/servers").setPayload(McpLibraryDraft)
      .addSuccess(named("McpLibraryServerCreated", McpLibraryServer, 201))
      .addError(Problem.Forbidden)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "write",
        summary: "Add an MCP server to your library",
        description:
          "It is not connected; `POST /mcp/{mcp_id}/test` finds out whether it works. A server that runs as a program, and "
          + "one that is shared with all tenants, need the scope `admin`.",
        example: {
          name: "notes",
          is_stateful: false,
          mcp_config: { type: "http_mcp", url: "https://notes.example.com/mcp", headers: null, timeout: null }
        }
      }))
  )
  .add(
    HttpApiEndpoint.patch("change")`/mcp/${id}`.setPayload(McpLibraryPatch)
      .addSuccess(McpLibraryServer)
      .addError(Problem.Forbidden)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .annotateContext(operation({
        scope: "write",
        summary: "Change an MCP server of your library",
        description:
          "Fields that are null or left out stay as they are. Workspaces that have it from the library follow; one that is "
          + "switched off works in none of them.",
        example: { enabled: true }
      }))
  )
  .add(
    HttpApiEndpoint.del("removeFromLibrary")`/mcp/${id}`
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Remove an MCP server from your library",
        description: "Workspaces that have it from the library keep its name, and it works in none of them."
      }))
  )
  .add(
    HttpApiEndpoint.post("test")`/mcp/${id}/test`.setUrlParams(maybeOf)
      .addSuccess(McpServerTest)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Try whether an MCP server of your library works",
        description:
          "It is connected anew and asked for its tools. One that runs as a program is run in the workspace of the session "
          + "that is named."
      }))
  )
  .add(
    HttpApiEndpoint.post("authorizeInLibrary")`/mcp/${id}/authorize`
      .addSuccess(McpAuthorizationStart)
      .addError(Problem.NotFound)
      .addError(Problem.McpServerFailed)
      .annotateContext(operation({
        scope: "write",
        summary: "Begin an authorization with an MCP server of the library",
        description: `${beginning} Each tenant has its own authorization with a server that an admin shares.`
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Servers that lend tools to agents, by the Model Context Protocol.")
{}
