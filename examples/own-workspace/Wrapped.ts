/**
 * A place of one's own for workspaces: folders on this machine's disk, whose programs are begun by a program of yours. Here
 * it is `nice`, which gives others the right of way; a jail, a virtual machine's client or `ssh` goes in the same place.
 */
import { Duration, Effect, Layer } from "effect"
import { join } from "node:path"
import { type Settings, workspaceLimits } from "../../src/domain/Settings.ts"
import { pathOf } from "../../src/domain/Workspace.ts"
import * as Disk from "../../src/layers/Workspace/Disk.ts"
import * as Processes from "../../src/layers/Workspace/Processes.ts"
import * as Shared from "../../src/layers/Workspace/Shared.ts"
import { Workspace } from "../../src/services/Workspace.ts"

export const wrapped = (settings: Settings): Layer.Layer<Workspace> =>
  Layer.scoped(
    Workspace,
    Effect.gen(function*() {
      const disk = yield* Disk.make({ dir: join(settings.data_dir, "wrapped"), root: undefined })
      // Whose a workspace is, who waits for whom and how much there may be is the same for all places.
      return yield* Shared.make({
        ...disk,
        kind: { name: "wrapped", runs: true, about: "Programs run by the side, as the server's own user" },
        spawn: (owner, key, spawning) => {
          const { command, cwd } = spawning
          const files = disk.filesOf(owner, key)
          return Processes.begin({
            file: "nice",
            args: ["-n", "7", ...command.argv],
            env: { PATH: "/usr/bin:/bin", HOME: files, ...command.env },
            cwd: pathOf(files, cwd)
          }, spawning)
        }
      }, {
        isolation: settings.workspace_isolation,
        limits: workspaceLimits(settings),
        idle: Duration.seconds(settings.workspace_idle_seconds)
      })
    })
  )
