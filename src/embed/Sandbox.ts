/** Whether agents' programs can be run on this machine as the settings say. */
import { Effect } from "effect"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { type Settings, workspaceLimits } from "../domain/Settings.ts"
import * as OutboundGuarded from "../layers/Outbound/Guarded.ts"
import { probe } from "../layers/Workspace/Bubblewrap.ts"
import * as Docker from "../layers/Workspace/Docker.ts"
import * as E2b from "../layers/Workspace/E2b.ts"

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

const inSandbox = (settings: Settings) => {
  const service = E2b.serviceOf(settings)
  return service === undefined
    ? Effect.fail({ message: E2b.noKey })
    : Effect.provide(E2b.probe(service), OutboundGuarded.layer(E2b.reach(settings, service)))
}

const trialOf = (settings: Settings): Effect.Effect<unknown, { readonly message: string }> => {
  switch (settings.workspace) {
    case "docker":
      return inContainer(settings)
    case "e2b":
      return inSandbox(settings)
    default:
      return probe
  }
}

/** Why they cannot, as a sentence without its end; undefined when they can, or are not wanted. */
export const problemOf = (settings: Settings): Effect.Effect<string | undefined> =>
  settings.workspace === "local" || settings.workspace === "files"
    ? Effect.succeed(undefined)
    : Effect.match(trialOf(settings), {
      onSuccess: () => undefined,
      onFailure: ({ message }) => message
    })
