/** What tests of workspaces share: small limits, ids, and ways to read and run. */
import { Chunk, Duration, Effect, Layer, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { AgentId, UserId, WorkspaceId } from "../../src/domain/Ids.ts"
import type { WorkspaceLimits } from "../../src/domain/Workspace.ts"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import {
  type Command,
  type OpenWorkspace,
  readUpTo,
  Workspace,
  type WorkspaceOf
} from "../../src/services/Workspace.ts"
import { freshId, freshOwner } from "./fixtures.ts"
import { patience } from "./Patience.ts"

/** Whether programs can be run in the sandbox here. Where they cannot, its tests are left out and this is said. */
export const isSandboxed: boolean = await Effect.runPromise(
  Effect.match(Bubblewrap.probe, {
    onFailure: ({ message }) => {
      process.stderr.write(`Tests of the sandbox are left out: ${message}.\n`)
      return false
    },
    onSuccess: () => true
  })
)

export const limits: WorkspaceLimits = {
  bytes: 32 * 1024 * 1024,
  files: 500,
  processes: 64,
  memory: 512 * 1024 * 1024,
  cpuSeconds: 10
}

export const options = { isolation: "agent", limits, idle: Duration.seconds(60) } as const

export const someOf = (agent: string = freshId(), workspace: string = freshId()): WorkspaceOf => ({
  agent_id: agent as AgentId,
  workspace_id: workspace as WorkspaceId
})

/** A workspace of its own. */
export const fresh = (owner: UserId = freshOwner(), of: WorkspaceOf = someOf()) =>
  Effect.flatMap(Workspace, ({ open }) => open(owner, of))

export const put = (workspace: OpenWorkspace, path: string, text: string | Uint8Array) =>
  workspace.write(path, Stream.succeed(typeof text === "string" ? Buffer.from(text) : text))

export const text = (workspace: OpenWorkspace, path: string) =>
  Effect.map(readUpTo(workspace, path, 1024 * 1024), (bytes) => bytes.toString("utf8"))

export interface Ran {
  readonly out: string
  readonly err: string
  readonly code: number | null
  readonly ended: string | undefined
}

const whole = (stream: Stream.Stream<Uint8Array>) =>
  Effect.map(Stream.runCollect(stream), (pieces) => Buffer.concat(Chunk.toReadonlyArray(pieces)).toString("utf8"))

/** Runs a program to its end. */
export const run = (workspace: OpenWorkspace, command: Command) =>
  Effect.scoped(Effect.gen(function*() {
    const program = yield* workspace.spawn({ timeout: patience(20_000), ...command })
    const [out, err] = yield* Effect.all([whole(program.stdout), whole(program.stderr)], { concurrency: 2 })
    const { code, ended } = yield* program.exit
    return { out, err, code, ended } satisfies Ran
  }))

export const sh = (workspace: OpenWorkspace, script: string, more: Partial<Command> = {}) =>
  run(workspace, { argv: ["/bin/sh", "-c", script], ...more })

export const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "stoa-workspaces-"))),
  (dir) => Effect.sync(() => rmSync(dir, { recursive: true, force: true }))
)

/** A layer over a folder that goes with it. */
export const inFolder = <E>(make: (dir: string) => Layer.Layer<Workspace, E>) =>
  Layer.unwrapScoped(Effect.map(temporary, make))
