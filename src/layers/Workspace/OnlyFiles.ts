/** Workspaces on this machine's disk in which nothing can be run. */
import { Effect, Layer } from "effect"
import { Workspace } from "../../services/Workspace.ts"
import * as Disk from "./Disk.ts"
import { root } from "./Sandbox.ts"
import * as Shared from "./Shared.ts"

export interface Options extends Shared.Options {
  readonly dir: string
  /** Why nothing can be run, as a sentence without its end. */
  readonly why: string
}

export const make = Effect.fnUntraced(function*({ dir, why, ...options }: Options) {
  const disk = yield* Disk.make({ dir, root })
  const kind = {
    name: "files",
    runs: false,
    about: `Workspaces have files, but nothing can be run in them: ${why}`
  } as const
  return yield* Shared.make({ ...disk, kind, spawn: undefined }, options)
})

export const layer = (options: Options): Layer.Layer<Workspace> => Layer.scoped(Workspace, make(options))
