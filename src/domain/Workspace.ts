/**
 * Workspaces: the folder that an agent works in, with the programs that it runs
 * there. What is here is the same for every kind of workspace: how paths are read,
 * how much there may be, and what can go wrong.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Either, Schema } from "effect"
import { Gone, type LimitReached, NotFound, problem, TooLarge } from "./Errors.ts"
import { AgentId, Timestamp, WorkspaceId } from "./Ids.ts"
import { hasHidden } from "./Text.ts"

/** Who shares a workspace: all sessions of an agent, all of a user, or those that name the same `workspace_id`. */
export const Isolation = Schema.Literal("agent", "user", "session")
export type Isolation = typeof Isolation.Type

/** Names a workspace of an owner: 32 hexadecimal digits. */
export const WorkspaceKey = Schema.String.pipe(
  Schema.pattern(/^[0-9a-f]{32}$/, { message: () => "Expected 32 hexadecimal digits" }),
  Schema.brand("WorkspaceKey")
)
export type WorkspaceKey = typeof WorkspaceKey.Type

export const WorkspaceRecord = Schema.Struct({
  id: WorkspaceKey,
  isolation: Isolation,
  agent_id: Schema.NullOr(AgentId),
  workspace_id: Schema.NullOr(WorkspaceId),
  created_at: Timestamp,
  last_used_at: Timestamp
}).annotations({ identifier: "WorkspaceRecord" })
export type WorkspaceRecord = typeof WorkspaceRecord.Type

/** How much a workspace and its programs may have. */
export interface WorkspaceLimits {
  /** Bytes of all files. */
  readonly bytes: number
  /** Files and folders. */
  readonly files: number
  /** Processes and threads of one command. */
  readonly processes: number
  /** Bytes of memory of one command. */
  readonly memory: number
  /** Seconds of processor time of one process. */
  readonly cpuSeconds: number
}

/** Longest file that is read or written in one piece, in bytes. */
export const maxWhole = 10 * 1024 * 1024

/** The path is none that a workspace has: it leads out, or what stands there is of another kind. */
export class PathRefused extends Schema.TaggedError<PathRefused>()(
  "PathRefused",
  problem(400, "Bad Request", "path_refused"),
  HttpApiSchema.annotations({ status: 400, description: "No path of the workspace, or of another kind." })
) {}

/** The workspace has as much as it may have, or the disk is full. */
export class WorkspaceFull extends Schema.TaggedError<WorkspaceFull>()(
  "WorkspaceFull",
  problem(507, "Insufficient Storage", "workspace_full"),
  HttpApiSchema.annotations({ status: 507, description: "There is no room left in the workspace." })
) {}

/** Workspaces of this server have files, but run nothing. */
export class NoProcesses extends Schema.TaggedError<NoProcesses>()(
  "NoProcesses",
  problem(501, "Not Implemented", "no_processes"),
  HttpApiSchema.annotations({ status: 501, description: "Nothing can be run in workspaces here." })
) {}

/** What can go wrong with files, and what with programs. */
export type FileError = NotFound | PathRefused | WorkspaceFull | TooLarge | Gone | LimitReached
export type WorkspaceError = FileError | NoProcesses

export const noSuchPath = (path: string): NotFound =>
  new NotFound({ code: "no_such_path", detail: `There is no '${shown(path)}' in the workspace.` })

export const refused = (path: string, why: string): PathRefused =>
  new PathRefused({ detail: `'${shown(path)}' ${why}.` })

export const isGone = (): Gone => new Gone({ code: "workspace_deleted", detail: "The workspace has been deleted." })

export const full = (why: string): WorkspaceFull => new WorkspaceFull({ detail: why })

export const noRoomFor = (room: number): string =>
  `There is room for ${Math.max(0, room)} bytes more in the workspace: delete what is not needed.`

export const tooLong = (path: string, size: number): TooLarge =>
  new TooLarge({
    code: "file_too_large",
    detail: `'${shown(path)}' has ${size} bytes; at most ${maxWhole} are read or written at once.`
  })

/** What stands at a path. Others are FIFOs, sockets and devices, which nobody opens. */
export type EntryKind = "file" | "directory" | "link" | "other"

export interface Entry {
  readonly name: string
  readonly kind: EntryKind
  /** Bytes; of a file only. */
  readonly size: number
  /** Seconds since 1970, with a fraction. */
  readonly modified: number
}

/** Longest path, name and nesting. */
const maxPath = 4096
const maxName = 255
export const maxDepth = 64

const encoder = new TextEncoder()

/** A path in a sentence. */
const shown = (path: string): string => path.length > 200 ? `${path.slice(0, 200)}…` : path

/**
 * A path as names below the root, as it is written: `..` goes back one name. Absolute paths
 * begin with the root, others go on from `cwd`, which is names too.
 */
export const namesOf = (
  root: string,
  cwd: ReadonlyArray<string>,
  path: string
): Either.Either<ReadonlyArray<string>, PathRefused> => {
  const no = (why: string) => Either.left(refused(path, why))
  if (path.includes("\0")) return no("has a zero byte in it")
  if (path.length > maxPath) return no(`is longer than ${maxPath} characters`)
  const isAbsolute = path.startsWith("/")
  if (isAbsolute && path !== root && !path.startsWith(`${root}/`)) return no(`is outside of the workspace ${root}`)
  const names = isAbsolute ? [] : [...cwd]
  for (const name of (isAbsolute ? path.slice(root.length) : path).split("/")) {
    if (name === "" || name === ".") continue
    if (name !== "..") names.push(name)
    else if (names.pop() === undefined) return no(`is outside of the workspace ${root}`)
  }
  if (names.length > maxDepth) return no(`is more than ${maxDepth} levels deep`)
  if (names.some((name) => encoder.encode(name).length > maxName)) return no(`has a name of more than ${maxName} bytes`)
  return Either.right(names)
}

/** Names that a client or a model may give to something new: they can be shown in one line. */
export const isPlain = (name: string): boolean => !hasHidden(name) && name.isWellFormed()

export const pathOf = (root: string, names: ReadonlyArray<string>): string => [root, ...names].join("/")

/** An id as the name of a file, whatever characters it has. */
const fileNameOf = (id: string): string =>
  id.replace(/[^A-Za-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16)}`).slice(0, 200)

/** The folder in which a session keeps what it needs later; its agent can read it. */
export const sessionFolder = (session: string): string => `sessions/${fileNameOf(session)}`

/** Where the output of a call is that was too long for the model. */
export const resultFile = (session: string, call: string): string =>
  `${sessionFolder(session)}/tool_result-${fileNameOf(call)}.txt`

/** What the git repository of a folder is like, in the words of `GET /workspace/status`. */
export const GitSummary = Schema.Struct({
  branch: Schema.NullOr(Schema.String),
  head: Schema.NullOr(Schema.String),
  ahead: Schema.Int,
  behind: Schema.Int,
  insertions: Schema.Int,
  deletions: Schema.Int,
  staged: Schema.Int,
  unstaged: Schema.Int,
  untracked: Schema.Int,
  conflicted: Schema.Int
}).annotations({ identifier: "GitSummary" })
export type GitSummary = typeof GitSummary.Type

const insertionsIn = /(\d{1,12}) insertion/
const deletionsIn = /(\d{1,12}) deletion/

const count = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? 0)

/** Reads `git status --porcelain=v2 --branch` and `git diff --shortstat HEAD`. */
export const gitSummaryOf = (status: string, shortstat: string): GitSummary => {
  const summary = { branch: null as string | null, head: null as string | null, ahead: 0, behind: 0 }
  const counts = { staged: 0, unstaged: 0, untracked: 0, conflicted: 0 }
  for (const line of status.split("\n")) {
    const [kind, second = "", third = "", fourth = ""] = line.split(" ", 4)
    if (kind === "#" && second === "branch.oid") summary.head = third === "(initial)" ? null : third
    else if (kind === "#" && second === "branch.head") summary.branch = third === "(detached)" ? null : third
    else if (kind === "#" && second === "branch.ab") {
      summary.ahead = Math.abs(Number(third)) || 0
      summary.behind = Math.abs(Number(fourth)) || 0
    } else if (kind === "1" || kind === "2") {
      if (second[0] !== ".") counts.staged++
      if (second[1] !== ".") counts.unstaged++
    } else if (kind === "u") counts.conflicted++
    else if (kind === "?") counts.untracked++
  }
  return { ...summary, ...counts, insertions: count(shortstat, insertionsIn), deletions: count(shortstat, deletionsIn) }
}
