import { Context, Data, type Effect } from "effect"
import type { ElicitationAnswer, ElicitationRequest } from "../domain/Elicitation.ts"
import type { Conflict, Forbidden, Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { McpServerId, SessionId, UserId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"
import type { LibraryCard } from "../domain/LibraryCard.ts"
import type { McpAuthorizationReturn, McpAuthorizationStart } from "../domain/McpAuthorization.ts"
import type { McpConfigInput } from "../domain/McpConfig.ts"
import type {
  McpLibraryDraft,
  McpLibraryPatch,
  McpLibraryServer,
  McpServerDraft,
  McpServerTest,
  WorkspaceMcpServer
} from "../domain/McpServer.ts"
import type { Asker } from "../domain/Principal.ts"
import type { ToolPart } from "./Toolbox.ts"
import type { WorkspaceOf } from "./Workspace.ts"

/** A tool as an agent's model sees it. */
export interface McpTool {
  /** `mcp__<server>__<tool>`, of letters, digits, dashes and underscores, at most 64 characters. */
  readonly name: string
  readonly description: string
  readonly parameters: JsonObject
}

/** Why a server did not do what it was asked for. One that has `forgotten` the connection has not begun. */
export type McpProblem =
  | "connection"
  | "forgotten"
  | "auth"
  | "authorization"
  | "timeout"
  | "config"
  | "protocol"
  | "changed"

/** `message` is a sentence of ours for a person or a model. It holds no secret and nothing of what an address leads to. */
export class McpFailed extends Data.TaggedError("McpFailed")<{
  readonly problem: McpProblem
  readonly message: string
}> {}

/** Who is asked when a server wants to know something while a call is under way. */
export interface McpAsker {
  /** Questions of calls of one session may be asked in any of them. */
  readonly session: SessionId
  readonly ask: (request: ElicitationRequest) => Effect.Effect<ElicitationAnswer>
}

/** Where browsers and authorization servers find this server. */
export interface McpCallback {
  readonly redirect: string
  /** Of the document that describes this client. */
  readonly metadata: string
}

/** MCP servers: those of workspaces, with their tools, and those of the tenant's library. */
export class Mcp extends Context.Tag("stoa/services/Mcp")<Mcp, {
  /** The tools that agents of this workspace have. Nothing is connected for it; what others have changed is seen within seconds. */
  readonly tools: (owner: UserId, of: WorkspaceOf) => Effect.Effect<ReadonlyArray<McpTool>>
  /**
   * Calls a tool, handing over its output as it comes; undefined when there is no such tool. It is never
   * called twice. Interruption tells the server that nobody waits any more.
   */
  readonly call: (
    owner: UserId,
    of: WorkspaceOf,
    name: string,
    input: JsonObject,
    emit: (part: ToolPart) => void,
    /** Without it the server is told that nobody answers. */
    asker?: McpAsker
  ) => Effect.Effect<"success" | "error" | undefined, McpFailed>

  /** The servers of a workspace, by name. */
  readonly servers: (owner: UserId, of: WorkspaceOf) => Effect.Effect<ReadonlyArray<WorkspaceMcpServer>>
  /** Adds a server that can be reached. What tools it has now is approved. */
  readonly add: (
    asker: Asker,
    of: WorkspaceOf,
    draft: McpServerDraft
  ) => Effect.Effect<void, Conflict | Forbidden | LimitReached | McpFailed>
  /** Adds servers of the library; the others are told why not, by their ids. */
  readonly addFromLibrary: (
    owner: UserId,
    of: WorkspaceOf,
    ids: ReadonlyArray<string>
  ) => Effect.Effect<{ readonly added: ReadonlyArray<string>; readonly failed: Readonly<Record<string, string>> }>
  /** It is no error when there is none. Calls that are under way fail. */
  readonly remove: (owner: UserId, of: WorkspaceOf, name: string) => Effect.Effect<void>
  /** Connects anew, at once, and looks at the tools. Calls that are under way fail. */
  readonly refresh: (
    owner: UserId,
    of: WorkspaceOf,
    name: string
  ) => Effect.Effect<WorkspaceMcpServer, NotFound>
  /** Approves tools as they were offered last, by their names and digests; other digests approve nothing. */
  readonly approve: (
    owner: UserId,
    of: WorkspaceOf,
    name: string,
    digests: Readonly<Record<string, string>>
  ) => Effect.Effect<WorkspaceMcpServer, NotFound>

  /** Begins an authorization with a server at an address: a person opens the address that this answers with. */
  readonly authorize: (
    owner: UserId,
    of: WorkspaceOf,
    name: string,
    callback: McpCallback
  ) => Effect.Effect<McpAuthorizationStart, McpFailed | NotFound>
  readonly authorizeInLibrary: (
    owner: UserId,
    id: McpServerId,
    callback: McpCallback
  ) => Effect.Effect<McpAuthorizationStart, McpFailed | NotFound>
  /** Whose attempt it is, and with which server; undefined when it is over. */
  readonly attemptOf: (
    state: string
  ) => Effect.Effect<{ readonly owner: UserId; readonly server: string } | undefined>
  /** Ends it, once, and looks at the tools of a server that has waited for it. Answers with the server's name. */
  readonly finishAuthorization: (back: McpAuthorizationReturn) => Effect.Effect<string, McpFailed>
  /** What authorization servers read that know this client by its address. */
  readonly clientDocument: (callback: McpCallback) => JsonObject

  /** The tenant's servers and those that admins share, by name. */
  readonly library: (owner: UserId) => Effect.Effect<ReadonlyArray<McpLibraryServer>>
  readonly addToLibrary: (
    asker: Asker,
    draft: McpLibraryDraft,
    /** The card that it comes from. */
    from?: Pick<LibraryCard, "card_id" | "hub_id">
  ) => Effect.Effect<McpLibraryServer, Conflict | Forbidden | LimitReached>
  readonly changeInLibrary: (
    asker: Asker,
    id: McpServerId,
    patch: McpLibraryPatch,
    /**
     * Another way to reach it. A masked value in it is the one that is stored; on another host, or for another
     * program, that is `Invalid`: no secret is sent where it was not given for.
     */
    config?: McpConfigInput
  ) => Effect.Effect<McpLibraryServer, Conflict | Forbidden | Invalid | NotFound>
  /** Servers of workspaces that stand for it stay, and do not work any more. */
  readonly removeFromLibrary: (owner: UserId, id: McpServerId) => Effect.Effect<void, NotFound>
  /** Connects anew and asks for the tools. A program is run in the workspace that is given. */
  readonly test: (
    owner: UserId,
    id: McpServerId,
    of: WorkspaceOf | undefined
  ) => Effect.Effect<McpServerTest, NotFound>
}>() {}
