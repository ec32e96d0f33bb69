/** Receivers of a task's updates, as clients name them. What of them is secret is taken and never given back. */
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import { PushName, type PushTarget } from "../../../domain/A2aPush.ts"
import type { Run } from "../../../domain/Run.ts"
import { A2aPushes, type Receiver } from "../../../services/A2aPushes.ts"
import { NewId } from "../../../services/NewId.ts"
import { wrong } from "./Errors.ts"
import { type Caller, make as finding } from "./Find.ts"
import { contextOf } from "./Render.ts"
import type { PushConfig } from "./Requests.ts"

const isName = Schema.is(PushName)

const badName = wrong("id", "Expected 1 to 64 printable ASCII characters without blanks")

const isUnnamed = ({ id }: PushConfig): boolean => id == null || id === ""

/** The name of a receiver that came with a message and has none: the same one when the message is sent again. */
export const namedBy = (config: PushConfig, messageId: string): PushConfig =>
  isUnnamed(config)
    ? { ...config, id: createHash("sha256").update(messageId).digest("base64url").slice(0, 22) }
    : config

const targetOf = ({ authentication, token, url }: PushConfig): PushTarget => ({
  url,
  token: token == null || token === "" ? null : token,
  scheme: authentication == null || authentication.scheme === "" ? null : authentication.scheme,
  credentials: authentication?.credentials == null || authentication.credentials === ""
    ? null
    : authentication.credentials
})

const shown = (taskId: string, { name, target: { scheme, url } }: Receiver) => ({
  id: name,
  taskId,
  url,
  ...(scheme !== null && { authentication: { scheme } })
})

export const make = (channel: string) =>
  Effect.gen(function*() {
    const pushes = yield* A2aPushes
    const newId = yield* NewId
    const { find } = yield* finding(channel)

    const put = Effect.fnUntraced(function*(caller: Caller, taskId: string, config: PushConfig) {
      const { run } = yield* find(caller, taskId)
      const name = isUnnamed(config) ? newId.short() : config.id
      if (!isName(name)) return yield* badName
      const receiver = { name, target: targetOf(config) }
      yield* pushes.put(run, contextOf(run), receiver)
      return shown(run.id, receiver)
    })

    return {
      put,
      /** Before a message is taken: whether the updates of its task may be sent there. Without a run it begins one. */
      check: Effect.fnUntraced(function*(config: PushConfig, run: Run | undefined) {
        const name = isName(config.id) ? config.id : yield* badName
        yield* pushes.check(targetOf(config))
        if (run !== undefined) yield* pushes.room(run, name)
      }),
      get: Effect.fnUntraced(function*(caller: Caller, taskId: string, name: string) {
        const { run } = yield* find(caller, taskId)
        return shown(run.id, yield* pushes.get(caller.owner, run.id, name))
      }),
      list: Effect.fnUntraced(function*(caller: Caller, taskId: string) {
        const { run } = yield* find(caller, taskId)
        const all = yield* pushes.list(caller.owner, run.id)
        return { configs: all.map((one) => shown(run.id, one)), nextPageToken: "" }
      }),
      remove: Effect.fnUntraced(function*(caller: Caller, taskId: string, name: string) {
        const { run } = yield* find(caller, taskId)
        yield* pushes.remove(caller.owner, run.id, name)
      })
    }
  })
