import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { HubMcpCard, HubSkillCard, HubView } from "../../domain/Hub.ts"
import { McpLibraryServer } from "../../domain/McpServer.ts"
import { queryInteger } from "../../domain/Page.ts"
import { LibrarySkill } from "../../domain/Skill.ts"
import { Authentication } from "./Authentication.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const hub = HttpApiSchema.param("hub_id", Schema.String.pipe(Schema.maxLength(64)))
/** It may have slashes in it, as they are or encoded. */
const card = HttpApiSchema.param("card_id", Schema.String.pipe(Schema.maxLength(128)))

/** Cards of one page. */
const maxCards = 100

const words = Schema.String.pipe(Schema.maxLength(256)).annotations({ examples: ["office"] })

const Request = Schema.Struct({
  limit: queryInteger(1, maxCards, 20),
  cursor: Schema.optional(Schema.String.pipe(Schema.maxLength(16))),
  q: Schema.optional(words)
})

const pageOf = <A, I>(identifier: string, schema: Schema.Schema<A, I>) =>
  Schema.Struct({ cards: Schema.Array(schema), next_cursor: Schema.NullOr(Schema.String) }).annotations({ identifier })

const Install = Schema.Struct({
  name: Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.maxLength(64)))),
  values: Schema.optional(Schema.NullOr(
    Schema.Record({
      key: Schema.String.pipe(Schema.maxLength(64)),
      value: Schema.String.pipe(Schema.maxLength(8 * 1024))
    }).pipe(Schema.filter((values) => Object.keys(values).length <= 64 || "Expected at most 64 values"))
  ))
}).annotations({ identifier: "HubMcpInstall" })

const off =
  "Those that can be read, whatever they have; the same list at `/hub/skill` and `/hub/mcp`. Empty unless the operator "
  + "has named hubs (`STOA_HUBS`)."

export class HubsApi extends HttpApiGroup.make("hubs")
  .add(
    HttpApiEndpoint.get("skillCards")`/hub/skill/${hub}/cards`.setUrlParams(Request)
      .addSuccess(pageOf("HubSkillCardPage", HubSkillCard))
      .addError(Problem.NotFound)
      .addError(Problem.HubFailed)
      .annotateContext(operation({ scope: "read", summary: "Look for skills in a hub" }))
  )
  .add(
    HttpApiEndpoint.get("skillCard")`/hub/skill/${hub}/cards/${card}`
      .addSuccess(HubSkillCard)
      .addError(Problem.NotFound)
      .addError(Problem.HubFailed)
      .annotateContext(operation({ scope: "read", summary: "Read the card of a skill, with its `SKILL.md`" }))
  )
  .add(
    HttpApiEndpoint.post("installSkill")`/hub/skill/${hub}/cards/${card}/install`
      .setUrlParams(Schema.Struct({ name: Schema.optional(Schema.String.pipe(Schema.maxLength(64))) }))
      .addSuccess(named("HubSkillInstalled", LibrarySkill, 201))
      .addError(Problem.Forbidden)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .addError(Problem.HubFailed)
      .annotateContext(operation({
        scope: "write",
        summary: "Install a skill of a hub into your library",
        description: "Under its own name, or another one."
      }))
  )
  .add(
    HttpApiEndpoint.get("mcpCards")`/hub/mcp/${hub}/cards`.setUrlParams(Request)
      .addSuccess(pageOf("HubMcpCardPage", HubMcpCard))
      .addError(Problem.NotFound)
      .addError(Problem.HubFailed)
      .annotateContext(operation({ scope: "read", summary: "Look for MCP servers in a hub" }))
  )
  .add(
    HttpApiEndpoint.get("mcpCard")`/hub/mcp/${hub}/cards/${card}`
      .addSuccess(HubMcpCard)
      .addError(Problem.NotFound)
      .addError(Problem.HubFailed)
      .annotateContext(operation({ scope: "read", summary: "Read the card of an MCP server" }))
  )
  .add(
    HttpApiEndpoint.post("installMcp")`/hub/mcp/${hub}/cards/${card}/install`.setPayload(Install)
      .addSuccess(named("HubMcpInstalled", McpLibraryServer, 201))
      .addError(Problem.Forbidden)
      .addError(Problem.NotFound)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .addError(Problem.HubFailed)
      .annotateContext(operation({
        scope: "write",
        summary: "Install an MCP server of a hub into your library",
        description:
          "`values` are put where its template has `${name}`, and kept in secret. A server that runs as a program needs "
          + "the scope `admin`.",
        example: { values: {} }
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Lists of skills and MCP servers that the operator offers.")
{}

/** What anybody may know: which hubs there are. */
export class HubListsApi extends HttpApiGroup.make("hubLists")
  .add(
    HttpApiEndpoint.get("skillHubs", "/hub/skill").addSuccess(Schema.Array(HubView))
      .annotateContext(operation({ scope: null, summary: "List the hubs, to look for skills", description: off }))
  )
  .add(
    HttpApiEndpoint.get("mcpHubs", "/hub/mcp").addSuccess(Schema.Array(HubView))
      .annotateContext(operation({ scope: null, summary: "List the hubs, to look for MCP servers", description: off }))
  )
  .annotate(OpenApi.Description, "Which hubs there are.")
{}
