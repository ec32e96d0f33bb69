/**
 * The errors as they travel: problem documents without `_tag`, which is a word
 * of our own code. A client that is made of the API gets the errors themselves
 * back, told apart by their status.
 */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import * as Credential from "../../domain/Credential.ts"
import * as Errors from "../../domain/Errors.ts"
import * as Hubs from "../../domain/Hub.ts"
import * as McpServers from "../../domain/McpServer.ts"
import * as Workspaces from "../../domain/Workspace.ts"

interface Tagged {
  readonly _tag: string
}

const travelling = <A extends Tagged, I extends Tagged>(
  error: Schema.Schema<A, I> & Tagged
): Schema.Schema<A, Omit<I, "_tag">> => {
  const status = HttpApiSchema.getStatusError(error)
  const document = Schema.encodedSchema(error).pipe(Schema.omit("_tag")).annotations({ identifier: error._tag })
  return Schema.transform(document, error, {
    // What is left of an error without its tag is not typed for an error that is not known yet.
    strict: false,
    decode: (fields) => ({ ...fields, _tag: error._tag }),
    encode: ({ _tag, ...fields }) => fields
  }).annotations(HttpApiSchema.annotations({ status }))
}

export const Malformed = travelling(Errors.Malformed)
export const Unauthenticated = travelling(Errors.Unauthenticated)
export const Forbidden = travelling(Errors.Forbidden)
export const NotFound = travelling(Errors.NotFound)
export const Conflict = travelling(Errors.Conflict)
export const CredentialInUse = travelling(Credential.CredentialInUse)
export const Gone = travelling(Errors.Gone)
export const TooLarge = travelling(Errors.TooLarge)
export const UnsupportedContent = travelling(Errors.UnsupportedContent)
export const Invalid = travelling(Errors.Invalid)
export const LimitReached = travelling(Errors.LimitReached)
export const Internal = travelling(Errors.Internal)
export const ProviderFailed = travelling(Errors.ProviderFailed)
export const McpServerFailed = travelling(McpServers.McpServerFailed)
export const HubFailed = travelling(Hubs.HubFailed)
export const PathRefused = travelling(Workspaces.PathRefused)
export const WorkspaceFull = travelling(Workspaces.WorkspaceFull)
export const NoProcesses = travelling(Workspaces.NoProcesses)
export const Unavailable = travelling(Errors.Unavailable)

/** Adds all that a request to a channel with agents and models may fail with. */
export const ofChannel = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
) =>
  api
    .addError(Malformed)
    .addError(Unauthenticated)
    .addError(Forbidden)
    .addError(NotFound)
    .addError(Conflict)
    .addError(Gone)
    .addError(TooLarge)
    .addError(UnsupportedContent)
    .addError(Invalid)
    .addError(LimitReached)
    .addError(Internal)
    .addError(ProviderFailed)
    .addError(Unavailable)

/** All of them as the document shows them. */
export const Problem = Schema.Struct({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  code: Schema.String,
  errors: Schema.optional(Schema.Array(Errors.FieldProblem)),
  retry_after: Schema.optional(Schema.Int),
  request_id: Schema.String
}).annotations({ identifier: "Problem" })
