import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Schema } from "effect"
import { FileHash } from "../../domain/File.ts"
import { SessionId } from "../../domain/Ids.ts"
import { Authentication } from "./Authentication.ts"
import { operation } from "./Operation.ts"
import * as Problem from "./Problem.ts"

const header = Schema.optional(Schema.String)

export class FilesApi extends HttpApiGroup.make("files")
  .add(
    HttpApiEndpoint.get("get")`/sessions/${HttpApiSchema.param("session_id", SessionId)}/files/${
      HttpApiSchema.param("hash", FileHash)
    }`
      .setHeaders(Schema.Struct({ range: header, "if-none-match": header }))
      .addSuccess(HttpApiSchema.Uint8Array({ contentType: "application/octet-stream" }))
      .addError(Problem.NotFound)
      .annotateContext(operation({
        scope: "read",
        summary: "Read a file of a session",
        description: "The bytes of a picture or another file that an input, a model or a tool brought, with its own "
          + "media type. A file's bytes never change. `Range` asks for a part of them; all but pictures come as a download."
      }))
  )
  .middleware(Authentication)
  .annotate(OpenApi.Description, "Pictures and other files of sessions.")
{}
