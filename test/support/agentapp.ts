/** The test host with agents and tasks of a program's own, and what a client of AgentApp's makes of its answers. */
import { Effect, Either, Layer } from "effect"
import { all } from "../../src/http/channels/All.ts"
import type { Channel } from "../../src/http/channels/Channel.ts"
import * as Mounts from "../../src/http/channels/Mounts.ts"
import * as Tasks from "../../src/http/channels/tasks/Tasks.ts"
import * as Server from "../../src/http/Server.ts"
import * as Host from "../../src/layers/Host.ts"
import { OwnTasks } from "../../src/services/OwnTasks.ts"
import * as TestHost from "./TestHost.ts"

interface Extensions extends Pick<Host.Extensions, "agents" | "tasks"> {
  readonly endpoints?: ReadonlyArray<Channel>
  readonly settings?: Mounts.Chosen["settings"]
  readonly trusted?: boolean
}

/** Its tasks are done while it lives. */
export const hostWith = ({ agents, endpoints = [], settings = {}, tasks = [], trusted = false }: Extensions) => {
  const channels = Either.getOrThrow(
    Mounts.mount([...all, ...Tasks.channels(tasks), ...endpoints], Server.nativeRoutes, { settings, trusted })
  )
  const working = Layer.scopedDiscard(Effect.flatMap(OwnTasks, ({ run }) => Effect.forkScoped(run)))
  return Layer.provideMerge(
    working,
    TestHost.layer({ channels, host: Host.over(Host.memory, { agents, tasks }) })
  )
}

/** The objects of a stream, in their order. */
// oxlint-disable-next-line typescript/no-explicit-any -- what a client reads has no types
export const objectsOf = (text: string): ReadonlyArray<any> =>
  text.split("\n").flatMap((line) => line.startsWith("data: ") ? [JSON.parse(line.slice("data: ".length))] : [])

/** The text that a client puts together of the deltas, and the one that the last object tells. */
export const textsOf = (text: string): { readonly deltas: string; readonly whole: string } => {
  const objects = objectsOf(text)
  const isText = ({ type }: { readonly type: string }) => type === "message"
  const messages = new Set(
    objects.filter((object) => object.object === "message" && isText(object)).map(({ id }) => id)
  )
  return {
    deltas: objects.filter(({ delta, msg_id, object }) => object === "content" && delta && messages.has(msg_id))
      .map(({ text }) => text).join(""),
    whole: (objects.at(-1)?.output ?? []).filter(isText)
      .flatMap(({ content }: { readonly content: ReadonlyArray<{ readonly text?: string }> }) =>
        content.map(({ text = "" }) => text)
      ).join("")
  }
}

export const says = (text: string, more: object = {}) => ({ input: [{ role: "user", content: text }], ...more })
