import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentId, SessionId, SkillId } from "../../domain/Ids.ts"
import { LibrarySkill, LibrarySkillRecord, WorkspaceSkill } from "../../domain/Skill.ts"
import { maxPackedBytes } from "../../domain/SkillFiles.ts"
import { Authentication } from "./Authentication.ts"
import { named, operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

/** The session whose workspace is meant. When an agent is given, it must be the session's. */
const of = Schema.Struct({ session_id: SessionId, agent_id: Schema.optional(AgentId) })

const name = HttpApiSchema.param("skill_name", Schema.String.pipe(Schema.maxLength(256)))
const id = HttpApiSchema.param("skill_id", SkillId)

/** Most skills that are added at once. */
const maxIds = 32

/** Bytes of an upload: the files, and what a form writes around them. */
const maxUpload = maxPackedBytes + 1024 * 1024

const FromServer = Schema.Struct({
  skill_path: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(4_096))
}).annotations({ identifier: "SkillFromServer" })

const FromLibrary = Schema.Struct({
  skill_ids: Schema.Array(Schema.String.pipe(Schema.maxLength(128))).pipe(Schema.maxItems(maxIds))
}).annotations({ identifier: "SkillsFromLibrary" })

const AddedFromLibrary = named(
  "SkillsAddedFromLibrary",
  Schema.Struct({
    added: Schema.Array(Schema.String),
    failed: Schema.Record({ key: Schema.String, value: Schema.String })
  }),
  201
)

const added = Schema.Null.annotations(HttpApiSchema.annotations({ status: 201 }))

const shared = Schema.BooleanFromString.annotations({ jsonSchema: { type: "boolean", default: false } })

const whatComes =
  "The body is a zip archive (`application/zip`), or a form (`multipart/form-data`) with a part `manifest`, the JSON "
  + "`{\"entries\": [{\"path\", \"size\"}]}`, and then a part `files` for each entry, in that order; a form with one part "
  + "`file` brings an archive. At most 20 MiB come in, and a skill has at most 100 MiB in 2,000 files. `SKILL.md` stands at "
  + "the top, or in the only folder at the top; its front matter has `name` and `description`."

export class SkillsApi extends HttpApiGroup.make("skills")
  .add(
    HttpApiEndpoint.get("inWorkspace", "/workspace/skill").setUrlParams(of)
      .addSuccess(Schema.Array(WorkspaceSkill))
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "read",
        summary: "List the skills of a session's workspace",
        description: "By name, as an array, each with its `SKILL.md`."
      }))
  )
  .add(
    HttpApiEndpoint.post("add", "/workspace/skill").setUrlParams(of).setPayload(FromServer)
      .addSuccess(added)
      .addError(Problem.Forbidden)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "write",
        summary: "Add a skill from a folder of the server",
        description:
          "The folder is copied; links and devices in it are refused. It needs the scope `admin`: others upload their skills.",
        example: { skill_path: "/srv/skills/pdf" }
      }))
  )
  .add(
    HttpApiEndpoint.post("upload", "/workspace/skill/upload").setUrlParams(of)
      .addSuccess(added)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "write",
        summary: "Upload a skill into a session's workspace",
        description: `${whatComes} The same files under the same name again change nothing.`,
        takesBytes: maxUpload
      }))
  )
  .add(
    HttpApiEndpoint.post("addFromLibrary", "/workspace/skill/from-library").setUrlParams(of).setPayload(FromLibrary)
      .addSuccess(AddedFromLibrary)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Copy skills of the library into a session's workspace",
        description: "`added` has the names of those that were copied; `failed` says of each other id why not.",
        example: { skill_ids: [] }
      }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/workspace/skill/${name}`.setUrlParams(of)
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Remove a skill from a session's workspace",
        description: "Its folder goes too. It is no error when there is none of this name."
      }))
  )
  .add(
    HttpApiEndpoint.get("library", "/skill")
      .addSuccess(Schema.Array(LibrarySkill))
      .annotateContext(operation({
        scope: "read",
        summary: "List the skills of your library",
        description: "Yours and those that an admin shares with all tenants, by name, as an array."
      }))
  )
  .add(
    HttpApiEndpoint.post("uploadToLibrary", "/skill/upload")
      .setUrlParams(Schema.Struct({ shared: Schema.optionalWith(shared, { default: () => false }) }))
      .addSuccess(named("LibrarySkillCreated", LibrarySkill, 201))
      .addError(Problem.Forbidden)
      .addError(Problem.Conflict)
      .addError(Problem.LimitReached)
      .annotateContext(operation({
        scope: "write",
        summary: "Upload a skill into your library",
        description: `${whatComes} To share it with all tenants needs the scope \`admin\`.`,
        takesBytes: maxUpload
      }))
  )
  .add(
    HttpApiEndpoint.get("inLibrary")`/skill/${id}`
      .addSuccess(LibrarySkillRecord)
      .addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a skill of your library" }))
  )
  .add(
    HttpApiEndpoint.del("removeFromLibrary")`/skill/${id}`
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Remove a skill from your library",
        description: "Workspaces keep their copies."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Folders of instructions and files that agents read when a task needs them.")
{}
