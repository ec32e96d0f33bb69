import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { AgentId, SessionId } from "../../domain/Ids.ts"
import { GitSummary, WorkspaceKey, WorkspaceRecord } from "../../domain/Workspace.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const header = Schema.optional(Schema.String)

/** The session whose workspace is meant. When an agent is given, it must be the session's. */
const of = { session_id: SessionId, agent_id: Schema.optional(AgentId) }

const path = Schema.String.pipe(Schema.maxLength(4096)).annotations({ examples: ["notes/today.md"] })

const folder = Schema.String.pipe(Schema.maxLength(4096)).annotations({ jsonSchema: { type: "string", default: "" } })

const download = Schema.BooleanFromString.annotations({ jsonSchema: { type: "boolean", default: false } })

const WorkspaceStatus = Schema.Struct({
  workdir: Schema.String,
  cwd: Schema.String,
  git: Schema.NullOr(GitSummary)
}).annotations({ identifier: "WorkspaceStatus" })

const DirectoryEntry = Schema.Struct({
  name: Schema.String,
  is_dir: Schema.Boolean,
  size_bytes: Schema.NullOr(Schema.Number),
  updated_at: Schema.NullOr(Schema.Number)
}).annotations({ identifier: "DirectoryEntry" })

const Directory = Schema.Struct({
  path: Schema.String,
  entries: Schema.Array(DirectoryEntry),
  truncated: Schema.Boolean
}).annotations({ identifier: "Directory" })

const DownloadToken = Schema.Struct({ token: Schema.String, expires_at: Schema.Int })
  .annotations({ identifier: "DownloadToken" })

const FileWritten = Schema.Struct({ path: Schema.String, size_bytes: Schema.Number })
  .annotations({ identifier: "FileWritten" })

const key = HttpApiSchema.param("workspace_key", WorkspaceKey)

const WorkspaceView = Schema.Struct({ ...WorkspaceRecord.fields, bytes: Schema.Number, files: Schema.Int })
  .annotations({ identifier: "WorkspaceView" })

export class WorkspacesApi extends HttpApiGroup.make("workspaces")
  .add(
    HttpApiEndpoint.get("list", "/workspaces")
      .addSuccess(
        Schema.Struct({ workspaces: Schema.Array(WorkspaceRecord), total: Schema.Int }).annotations({
          identifier: "WorkspaceList"
        })
      )
      .annotateContext(operation({
        scope: "read",
        summary: "List your workspaces",
        description: "Those that have been used, the last one first."
      }))
  )
  .add(
    HttpApiEndpoint.get("get")`/workspaces/${key}`.addSuccess(WorkspaceView).addError(Problem.NotFound)
      .annotateContext(operation({ scope: "read", summary: "Read a workspace, and how much it has" }))
  )
  .add(
    HttpApiEndpoint.del("remove")`/workspaces/${key}`.addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a workspace",
        description: "What runs in it is ended, and its files are gone. An agent that works on gets an empty one."
      }))
  )
  .add(
    HttpApiEndpoint.get("status", "/workspace/status").setUrlParams(Schema.Struct(of))
      .addSuccess(WorkspaceStatus)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "read",
        summary: "See a session's workspace",
        description:
          "Its root, the folder of the session, and what git says there; null where there is no repository, or where "
          + "nothing can be run."
      }))
  )
  .add(
    HttpApiEndpoint.get("directories", "/workspace/directories")
      .setUrlParams(Schema.Struct({ ...of, path: Schema.optionalWith(folder, { default: () => "" }) }))
      .addSuccess(Directory)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "read",
        summary: "List a folder of a workspace",
        description: "Folders first, by name, at most 2,000 entries. Without a path it is the root."
      }))
  )
  .add(
    HttpApiEndpoint.get("read", "/workspace/files")
      .setUrlParams(Schema.Struct({
        ...of,
        path,
        download: Schema.optionalWith(download, { default: () => false }),
        token: Schema.optional(Schema.String.pipe(Schema.maxLength(16_384)))
      }))
      .setHeaders(Schema.Struct({ range: header }))
      .addSuccess(HttpApiSchema.Uint8Array({ contentType: "application/octet-stream" }))
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "read",
        summary: "Read a file of a workspace",
        description:
          "Its bytes, or those that `Range` asks for. A token of `POST /workspace/files/download-token` stands for who "
          + "asks, so that a browser can open the address."
      }))
  )
  .add(
    HttpApiEndpoint.put("write", "/workspace/files")
      .setUrlParams(Schema.Struct({ ...of, path }))
      .addSuccess(FileWritten)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "write",
        summary: "Write a file of a workspace",
        description:
          "The body is the file, of any media type; folders above it are made. Readers see the file before or the file after.",
        takesBytes: true
      }))
  )
  .add(
    HttpApiEndpoint.del("removeFile", "/workspace/files")
      .setUrlParams(Schema.Struct({ ...of, path }))
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "write",
        summary: "Delete a file or a folder of a workspace"
      }))
  )
  .add(
    HttpApiEndpoint.post("token", "/workspace/files/download-token")
      .setUrlParams(Schema.Struct({ ...of, path }))
      .addSuccess(DownloadToken)
      .addError(Problem.NotFound)
      .addError(Problem.PathRefused)
      .addError(Problem.Gone)
      .addError(Problem.LimitReached)
      .addError(Problem.WorkspaceFull)
      .annotateContext(operation({
        scope: "read",
        summary: "Get a token for the download of a file",
        description: "It is good for five minutes, for this file of this session alone."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "The folders that agents work in.")
{}
