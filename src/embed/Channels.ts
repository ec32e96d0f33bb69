/** The channels that the settings ask for, and the paths of the program's own. */
import { Either } from "effect"
import type { Settings } from "../domain/Settings.ts"
import { all as ownChannels } from "../http/channels/All.ts"
import type { Mounted } from "../http/channels/Channel.ts"
import * as Mounts from "../http/channels/Mounts.ts"
import * as Tasks from "../http/channels/tasks/Tasks.ts"
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

/** Left is a sentence that says why that cannot be. */
export const of = (settings: Settings, extensions: Extensions): Either.Either<ReadonlyArray<Mounted>, string> => {
  const twice = namedTwice(extensions)
  if (twice !== undefined) return Either.left(twice)
  const { channels = [], endpoints = [], hooks = [], tasks = [] } = extensions
  return Mounts.mount([...ownChannels, ...Tasks.channels(tasks), ...endpoints, ...channels], Server.nativeRoutes, {
    settings: settings.channels,
    trusted: settings.trust_user_header,
    hooks
  })
}
