/** Whether agents' programs can be run on this machine as the settings say. */
import { Effect } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { type Settings, workspaceLimits } from "../../domain/Settings.ts"
import { probe } from "../../layers/Workspace/Bubblewrap.ts"
import * as Docker from "../../layers/Workspace/Docker.ts"

const inContainer = (settings: Settings) => {
  const dir = settings.workspace_dir ?? join(settings.data_dir, "workspaces")
  return Effect.zipRight(
    Effect.promise(() => mkdir(dir, { recursive: true, mode: 0o700 })),
    Docker.probe({
      dir,
      address: settings.docker_host,
      engineDir: settings.docker_dir,
      image: settings.docker_image,
      network: settings.docker_network,
      limits: workspaceLimits(settings)
    })
  )
}

/** Why they cannot, as a sentence without its end; undefined when they can, or are not wanted. */
export const problemOf = (settings: Settings): Effect.Effect<string | undefined> =>
  settings.workspace === "local" || settings.workspace === "files"
    ? Effect.succeed(undefined)
    : Effect.match(settings.workspace === "docker" ? inContainer(settings) : probe, {
      onSuccess: () => undefined,
      onFailure: ({ message }: { readonly message: string }) => message
    })
