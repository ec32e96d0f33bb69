import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Chunk, Duration, Effect, Option, Stream } from "effect"
import { Malformed } from "../../domain/Errors.ts"
import type { AgentId, SessionId } from "../../domain/Ids.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import type { Session } from "../../domain/Session.ts"
import { type Entry, gitSummaryOf, namesOf, pathOf, refused } from "../../domain/Workspace.ts"
import { Vault } from "../../services/Vault.ts"
import { type OpenWorkspace, pieceBytes, Workspace } from "../../services/Workspace.ts"
import { Api } from "../Api.ts"
import * as Downloads from "../Downloads.ts"
import * as ByteRange from "./ByteRange.ts"
import * as MediaTypes from "./MediaTypes.ts"
import * as MySession from "./MySession.ts"

/** Most entries of a folder that are listed. */
const maxListed = 2_000

/** Longest time and longest output of git, and folders above that are looked at for a repository. */
const gitTimeout = Duration.seconds(5)
const maxGitOutput = 4 * 1024 * 1024

/** How long the body of a file may stand still. */
const silence = Duration.seconds(20)

const halted = new Malformed({ code: "incomplete_body", detail: "The body ended before its end." })

/** The folder that a session works in. A folder that cannot be named any more is as if there were none. */
const cwdOf = ({ config }: Session, { root }: OpenWorkspace): string => {
  const names = namesOf(root, [], config.cwd || root)
  return names._tag === "Right" ? pathOf(root, names.right) : root
}

/** In a repository of somebody else's making nothing may be believed: no hook, no filter, no setting from outside. */
const git = [
  "git",
  "--no-optional-locks",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.hooksPath=/dev/null",
  "-c",
  "safe.directory=*",
  "-c",
  "status.relativePaths=false"
] as const

const gitEnv = { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0", GIT_PAGER: "cat" }

const output = (workspace: OpenWorkspace, cwd: string, ...words: ReadonlyArray<string>) =>
  Effect.scoped(Effect.gen(function*() {
    const [program, ...first] = git
    const running = yield* workspace.spawn({
      argv: [program, ...first, ...words],
      cwd,
      env: gitEnv,
      timeout: gitTimeout,
      maxOutput: maxGitOutput
    })
    yield* running.endInput
    const [pieces] = yield* Effect.all([Stream.runCollect(running.stdout), Stream.runDrain(running.stderr)], {
      concurrency: 2
    })
    const { code, ended } = yield* running.exit
    return code === 0 && ended === undefined ? Buffer.concat(Chunk.toReadonlyArray(pieces)).toString("utf8") : undefined
  }))

/** Whether the folder or one above it has a repository: without one there is nothing to run. */
const hasRepository = (workspace: OpenWorkspace, cwd: string): Effect.Effect<boolean> =>
  Effect.flatMap(
    Effect.option(workspace.stat(`${cwd}/.git`)),
    (found) =>
      found._tag === "Some"
        ? Effect.succeed(true)
        : cwd === workspace.root
        ? Effect.succeed(false)
        : hasRepository(workspace, cwd.slice(0, cwd.lastIndexOf("/")))
  )

const summaryOf = Effect.fnUntraced(function*(workspace: OpenWorkspace, cwd: string, runs: boolean) {
  if (!runs || !(yield* hasRepository(workspace, cwd))) return null
  const status = yield* output(workspace, cwd, "status", "--porcelain=v2", "--branch", "--untracked-files=normal")
  if (status === undefined) return null
  // Without a first commit there is nothing to compare with.
  const changes = yield* output(workspace, cwd, "diff", "--no-ext-diff", "--no-textconv", "--shortstat", "HEAD")
  return gitSummaryOf(status, changes ?? "")
})

const rank = ({ kind }: Entry) => kind === "directory" ? 0 : 1

export const layer = HttpApiBuilder.group(Api, "workspaces", (handlers) =>
  Effect.gen(function*() {
    const service = yield* Workspace
    const vault = yield* Vault
    const mine = yield* MySession.make

    const opened = Effect.fnUntraced(
      function*(params: { readonly session_id: SessionId; readonly agent_id?: AgentId | undefined }) {
        const session = yield* mine(params.session_id, params.agent_id)
        const workspace = yield* service.open(session.user_id, {
          agent_id: session.agent_id,
          workspace_id: session.config.workspace_id
        })
        return { session, workspace }
      }
    )

    /** A path of the query, from the session's folder on. */
    const resolved = Effect.fnUntraced(function*(session: Session, workspace: OpenWorkspace, path: string) {
      const cwd = yield* namesOf(workspace.root, [], cwdOf(session, workspace))
      return pathOf(workspace.root, yield* namesOf(workspace.root, cwd, path))
    })

    return handlers
      .handle("list", () =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          Effect.map(service.list(user_id), (workspaces) => ({ workspaces, total: workspaces.length }))))
      .handle(
        "get",
        Effect.fnUntraced(function*({ path }) {
          const { user_id } = yield* CurrentPrincipal
          const record = yield* service.get(user_id, path.workspace_key)
          return { ...record, ...yield* service.usage(user_id, record.id) }
        })
      )
      .handle("remove", ({ path }) =>
        Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
          service.remove(user_id, path.workspace_key)))
      .handle(
        "status",
        ({ urlParams }) =>
          Effect.gen(function*() {
            const { session, workspace } = yield* opened(urlParams)
            const cwd = cwdOf(session, workspace)
            // What git does not say is not known; the rest is.
            const summary = yield* Effect.orElseSucceed(summaryOf(workspace, cwd, service.kind.runs), () =>
              null)
            return { workdir: workspace.root, cwd, git: summary }
          }).pipe(Effect.scoped)
      )
      .handle("directories", ({ urlParams }) =>
        Effect.gen(function*() {
          const { session, workspace } = yield* opened(urlParams)
          const asked = urlParams.path
          const path = asked === "" ? workspace.root : yield* resolved(session, workspace, asked)
          const { entries, truncated } = yield* workspace.list(path, maxListed)
          return {
            path,
            entries: entries.toSorted((a, b) =>
              rank(a) - rank(b)
            ).map(({ kind, modified, name, size }) => ({
              name,
              is_dir: kind === "directory",
              size_bytes: kind === "file" ? size : null,
              updated_at: modified === 0 ? null : modified
            })),
            truncated
          }
        }).pipe(Effect.scoped))
      .handle(
        "read",
        Effect.fnUntraced(function*({ headers, urlParams }) {
          const { session, workspace } = yield* opened(urlParams)
          const path = yield* resolved(session, workspace, urlParams.path)
          // The request's own scope keeps the file open until the last byte is sent.
          const file = yield* workspace.open(path)
          const range = ByteRange.rangeOf(headers.range, file.size)
          const { from, to } = range === "all" ? { from: 0, to: file.size - 1 } : range
          const bytes = Stream.unfoldEffect(from, (at) =>
            at > to
              ? Effect.succeedNone
              : Effect.map(file.read(at, Math.min(pieceBytes, to + 1 - at)), (piece) =>
                // It has become shorter meanwhile: the answer breaks off, and the client sees that.
                piece.length === 0 ? Option.none() : Option.some([piece, at + piece.length] as const)))
          const name = path.slice(path.lastIndexOf("/") + 1)
          return HttpServerResponse.stream(bytes, {
            status: range === "all" ? 200 : 206,
            contentType: MediaTypes.ofName(name),
            contentLength: to - from + 1,
            headers: {
              "accept-ranges": "bytes",
              "cache-control": "private, no-cache",
              "content-disposition": ByteRange.disposition(
                name,
                !urlParams.download && MediaTypes.isHarmless(name)
              ),
              // Nothing in a file may run, whatever shows it.
              "content-security-policy": "sandbox; default-src 'none'",
              "cross-origin-resource-policy": "same-origin",
              "referrer-policy": "no-referrer",
              ...range !== "all" && { "content-range": `bytes ${from}-${to}/${file.size}` }
            }
          })
        })
      )
      .handle("write", ({ urlParams }) =>
        Effect.gen(function*() {
          const { session, workspace } = yield* opened(urlParams)
          const path = yield* resolved(session, workspace, urlParams.path)
          const request = yield* HttpServerRequest.HttpServerRequest
          const bytes = request.stream.pipe(
            Stream.mapError(() => halted),
            Stream.timeoutFail(() => halted, silence)
          )
          return { path, size_bytes: yield* workspace.write(path, bytes) }
        }).pipe(Effect.scoped))
      .handle("removeFile", ({ urlParams }) =>
        Effect.gen(function*() {
          const { session, workspace } = yield* opened(urlParams)
          yield* workspace.remove(yield* resolved(session, workspace, urlParams.path))
        }).pipe(Effect.scoped))
      .handle("token", ({ urlParams }) =>
        Effect.gen(function*() {
          const { session, workspace } = yield* opened(urlParams)
          const path = yield* resolved(session, workspace, urlParams.path)
          const { kind } = yield* workspace.stat(path)
          if (kind !== "file") return yield* refused(path, "is no file")
          return yield* Downloads.tokenOf(vault, {
            user_id: session.user_id,
            session_id: session.id,
            path: urlParams.path
          })
        }).pipe(Effect.scoped))
  }))
