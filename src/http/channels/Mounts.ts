/** Which channels are served, and where: what the operator has chosen, checked before anything is listened to. */
import { Either, Option } from "effect"
import type { ChannelSettings } from "../../domain/Channel.ts"
import { methodsOf } from "../middleware/Methods.ts"
import { type Respond, respond } from "../middleware/Problems.ts"
import type { Channel, Mounted } from "./Channel.ts"
import type { Hook } from "./Hook.ts"

export const none: ReadonlyArray<Mounted> = []

export interface Chosen {
  readonly settings: ChannelSettings
  readonly trusted: boolean
  readonly hooks?: ReadonlyArray<Hook>
}

/** Routes that are the same for the router, whatever their parameters are called. */
const shapeOf = (method: string, path: string) => `${method} ${path.replaceAll(/:[^/]+/g, ":")}`

const isBelow = (path: string, mount: string) => mount !== "" && (path === mount || path.startsWith(`${mount}/`))

/** The channels that are on, at their places; or a sentence that says why that cannot be. */
export const mount = (
  channels: ReadonlyArray<Channel>,
  taken: ReadonlyArray<{ readonly method: string; readonly path: string }>,
  { hooks = [], settings, trusted }: Chosen
): Either.Either<ReadonlyArray<Mounted>, string> => {
  const known = channels.map(({ name }) => name)
  const twice = known.find((name, i) => known.indexOf(name) !== i)
  if (twice !== undefined) return Either.left(`There are two channels called ${twice}: each needs a name of its own.`)
  const unknown = Object.keys(settings).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    return Either.left(`channels: there is no channel called ${unknown}. There are: ${known.join(", ")}.`)
  }
  for (const { channels: named = [], name } of hooks) {
    const stray = named.find((channel) => !known.includes(channel))
    if (stray !== undefined) {
      return Either.left(
        `The hook ${name} is for the channel ${stray}, which there is not. There are: ${known.join(", ")}.`
      )
    }
  }
  const mounted = channels.flatMap((channel): ReadonlyArray<Mounted> => {
    const choice = settings[channel.name] ?? true
    if (choice === false) return []
    const chosen = choice === true ? {} : choice
    return [channel.at({
      name: channel.name,
      mount: chosen.mount ?? channel.mount,
      agent: chosen.agent,
      idleHours: chosen.idle_hours ?? 0,
      trusted,
      options: chosen.options,
      card: chosen.card,
      hooks: hooks.filter(({ channels }) => channels?.includes(channel.name) ?? true)
    })]
  })
  const owners = new Map(taken.map(({ method, path }) => [shapeOf(method, path), "the native API"]))
  for (const { name, routes } of mounted) {
    for (const { method, path } of routes) {
      const shape = shapeOf(method, path)
      const other = owners.get(shape)
      if (other !== undefined) {
        return Either.left(
          `channels: ${name} and ${other} would both answer ${method} ${path}. Give ${name} another mount, or switch it off.`
        )
      }
      owners.set(shape, name)
    }
  }
  for (const { forward, mount, name } of mounted) {
    for (const other of mounted) {
      const taken = other.routes.find(({ method, path }) =>
        other.name !== name && isBelow(path, mount) && forward?.(method, path) !== undefined
      )
      if (taken !== undefined) {
        return Either.left(
          `channels: ${name} and ${other.name} would both answer ${taken.method} ${taken.path}. Give ${other.name} another mount, or switch it off.`
        )
      }
    }
  }
  return Either.right(mounted)
}

/** Where it is told what there is at a URL's place: the documents of the channels that are mounted above it, or ours. */
export const documentsAt = (channels: ReadonlyArray<Pick<Mounted, "mount" | "name">>) => (url: string): string => {
  const path = url.split("?", 1)[0]!
  const above = channels.filter(({ mount }) => isBelow(path, mount))
  return above.length === 0 ? "/openapi.json" : above.map(({ name }) => `/docs/${name}.json`).join(" and ")
}

/** Whose errors a URL has: those of the channel that answers there, or else of one that is mounted above it. */
export const respondAt = (channels: ReadonlyArray<Mounted>): (url: string, method: string) => Respond => {
  if (channels.length === 0) return () => respond
  const own = channels.map((channel) => ({ ...channel, methodsAt: methodsOf(channel.routes) }))
  return (url, method) => {
    const path = url.split("?", 1)[0]!
    const found = Option.fromNullable(
      // What is no path is nobody's: the router takes its first character for the slash.
      (url.startsWith("/") ? own.find(({ methodsAt }) => methodsAt(url).length > 0) : undefined) ??
        own.find(({ mount }) => isBelow(path, mount))
    )
    return Option.match(found, {
      onNone: () => respond,
      onSome: (channel) => channel.respondAt?.(path, method) ?? channel.respond
    })
  }
}
