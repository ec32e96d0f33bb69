/** The channels and the dashboard that the settings ask for, and the paths of the program's own. */
import { Either } from "effect"
import { dashboardOf } from "../domain/Dashboard.ts"
import { isLoopback, type Settings } from "../domain/Settings.ts"
import { all as ownChannels } from "../http/channels/All.ts"
import type { Mounted } from "../http/channels/Channel.ts"
import * as Mounts from "../http/channels/Mounts.ts"
import * as Tasks from "../http/channels/tasks/Tasks.ts"
import * as Dashboard from "../http/Dashboard.ts"
import * as Server from "../http/Server.ts"
import type { Extensions } from "./Extensions.ts"

/** A sentence where two agents, or two kinds of tasks, have the same name. */
const namedTwice = ({ agents = [], tasks = [] }: Extensions) => {
  for (const [noun, all] of [["agents", agents], ["kinds of tasks", tasks]] as const) {
    const names = all.map(({ name }) => name)
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) return `There are two ${noun} called ${twice}: each needs a name of its own.`
  }
  return undefined
}

/** The dashboard that the settings ask for. */
export const dashboard = (settings: Settings): Dashboard.Options | undefined => {
  const choice = dashboardOf(settings.dashboard)
  if (choice === undefined) return undefined
  const identity = isLoopback(settings.host) ? "local" : settings.trust_user_header ? "outside" : "key"
  return { choice, identity }
}

/** Left is a sentence that says why that cannot be. */
export const of = (settings: Settings, extensions: Extensions): Either.Either<ReadonlyArray<Mounted>, string> => {
  const twice = namedTwice(extensions)
  if (twice !== undefined) return Either.left(twice)
  const { channels = [], endpoints = [], hooks = [], tasks = [] } = extensions
  const taken = dashboard(settings) === undefined ? Server.nativeRoutes : [...Server.nativeRoutes, ...Dashboard.routes]
  return Mounts.mount([...ownChannels, ...Tasks.channels(tasks), ...endpoints, ...channels], taken, {
    settings: settings.channels,
    trusted: settings.trust_user_header,
    hooks
  })
}
