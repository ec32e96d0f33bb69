import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer } from "effect"
import { NotFound } from "../../../domain/Errors.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { publicUrl } from "../../PublicUrl.ts"
import type { Options } from "../Channel.ts"
import { decode } from "../Decoding.ts"
import type { api, wellKnown } from "./Api.ts"
import * as Cards from "./Cards.ts"
import type { Write } from "./Encode.ts"
import { mediaType } from "./Errors.ts"
import * as Registry from "./Registry.ts"
import { ListRequest, type PushConfig, type SendRequest } from "./Requests.ts"
import * as Rpc from "./Rpc.ts"
import * as Target from "./Target.ts"
import * as Tasks from "./Tasks.ts"
import { check } from "./Versions.ts"

interface Said {
  readonly path: { readonly agent?: string | undefined }
  readonly headers: {
    readonly "a2a-version"?: string | undefined
    readonly "a2a-extensions"?: string | undefined
    readonly "idempotency-key"?: string | undefined
  }
  readonly urlParams: { readonly "A2A-Version"?: string | undefined }
}

interface OfTask extends Said {
  readonly path: { readonly agent?: string | undefined; readonly task: string }
}

interface OfPush extends OfTask {
  readonly path: { readonly agent?: string | undefined; readonly task: string; readonly config: string }
}

interface Query {
  readonly "A2A-Version"?: string | undefined
  readonly includeArtifacts?: "true" | "false" | undefined
}

const plain = (body: object) => HttpServerResponse.unsafeJson(body, { contentType: mediaType })

const write: Write = (update) => `data: ${JSON.stringify(update)}\n\n`

/** What is done to a task, after its id. */
const cancelling = ":cancel"
const subscribing = ":subscribe"

/** The id in front of what is to be done; undefined when something else is. */
const idBefore = (verb: string, task: string): string | undefined =>
  task.endsWith(verb) ? task.slice(0, -verb.length) : undefined

const nothing = new NotFound({ code: "no_such_path", detail: "There is nothing at this path." })

/** The handlers of both groups, which differ in their paths alone. */
const handling = (options: Options) =>
  Effect.gen(function*() {
    const target = yield* Target.make(options)
    const tasks = yield* Tasks.make(options)
    const rpc = Rpc.make(tasks)

    const checked = ({ headers, urlParams }: Said) => check(headers["a2a-version"], urlParams["A2A-Version"])

    /** Who asks, and which agent the address names. */
    const callerOf = Effect.fnUntraced(function*({ headers, path }: Said) {
      const { user_id: owner } = yield* CurrentPrincipal
      const base = yield* publicUrl
      const agent = path.agent === undefined ? undefined : yield* target.named(owner, path.agent)
      const caller: Tasks.Asking = { owner, agent, base, idempotencyKey: headers["idempotency-key"] }
      return caller
    })

    const cardOf = ({ agent, base, owner }: Tasks.Asking) =>
      agent === undefined
        ? Effect.map(
          target.published(owner),
          (agents) => Cards.ofOwner(`${base}${options.mount}`, agents, options.card)
        )
        : Effect.succeed(Cards.ofAgent(`${base}${options.mount}/agents/${agent.id}`, agent))

    const { pushes } = tasks

    const ofTask = Effect.fnUntraced(function*(said: OfTask) {
      const caller = yield* callerOf(said)
      yield* tasks.known(caller, said.path.task)
      yield* checked(said)
      return caller
    })

    const verified = (said: Said) => Effect.tap(callerOf(said), () => checked(said))

    return {
      call: (said: Said & { readonly payload: JsonObject }) =>
        Effect.flatMap(
          callerOf(said),
          (caller) => rpc({ caller, checked: checked(said), card: cardOf(caller) }, said.payload)
        ),

      say: Effect.fnUntraced(
        function*(said: Said & { readonly path: { readonly operation: string }; readonly payload: SendRequest }) {
          const { path: { operation }, payload } = said
          const caller = yield* callerOf(said)
          if (operation !== "message:send" && operation !== "message:stream") return yield* nothing
          yield* checked(said)
          return operation === "message:send"
            ? plain(yield* tasks.send(caller, payload))
            : yield* tasks.stream(caller, payload, write)
        }
      ),

      list: Effect.fnUntraced(function*(said: Said & { readonly urlParams: Query }) {
        const caller = yield* verified(said)
        const { "A2A-Version": _, includeArtifacts, ...rest } = said.urlParams
        const asked = {
          ...rest,
          ...(includeArtifacts !== undefined && { includeArtifacts: includeArtifacts === "true" })
        }
        return plain(yield* tasks.list(caller, yield* decode(ListRequest, asked)))
      }),

      /** Whose id it is comes before all that is said of versions: who asks for what is not theirs hears nothing else. */
      get: Effect.fnUntraced(
        function*(said: OfTask & { readonly urlParams: { readonly historyLength?: number | undefined } }) {
          const caller = yield* callerOf(said)
          const { task } = said.path
          const followed = idBefore(subscribing, task)
          yield* tasks.known(caller, followed ?? task)
          yield* checked(said)
          return followed === undefined
            ? plain(yield* tasks.get(caller, task, said.urlParams.historyLength))
            : yield* tasks.subscribe(caller, followed, write)
        }
      ),

      act: Effect.fnUntraced(function*(said: OfTask) {
        const caller = yield* callerOf(said)
        const { task } = said.path
        const followed = idBefore(subscribing, task)
        const stopped = idBefore(cancelling, task)
        const id = followed ?? stopped
        if (id === undefined) return yield* nothing
        yield* tasks.known(caller, id)
        yield* checked(said)
        return followed === undefined
          ? plain(yield* tasks.cancel(caller, id))
          : yield* tasks.subscribe(caller, id, write)
      }),

      addPush: Effect.fnUntraced(function*(said: OfTask & { readonly payload: PushConfig }) {
        return plain(yield* pushes.put(yield* ofTask(said), said.path.task, said.payload))
      }),
      listPushes: Effect.fnUntraced(function*(said: OfTask) {
        return plain(yield* pushes.list(yield* ofTask(said), said.path.task))
      }),
      getPush: Effect.fnUntraced(function*(said: OfPush) {
        return plain(yield* pushes.get(yield* ofTask(said), said.path.task, said.path.config))
      }),
      removePush: Effect.fnUntraced(function*(said: OfPush) {
        yield* pushes.remove(yield* ofTask(said), said.path.task, said.path.config)
      }),

      extended: (said: Said) => Effect.map(Effect.flatMap(verified(said), cardOf), plain),

      card: (said: Said) =>
        Effect.flatMap(Effect.flatMap(callerOf(said), cardOf), (card) => Cards.answer(card, "private"))
    }
  })

export const layer = (mounted: typeof api, options: Options) => {
  const own = handling(options)

  const standing = HttpApiBuilder.group(
    mounted,
    "standing",
    (handlers) =>
      Effect.map(own, ({ act, addPush, call, extended, get, getPush, list, listPushes, removePush, say }) =>
        handlers
          .handle("call", call)
          .handle("say", say)
          .handle("list", list)
          .handle("get", get)
          .handle("act", act)
          .handle("addPush", addPush)
          .handle("listPushes", listPushes)
          .handle("getPush", getPush)
          .handle("removePush", removePush)
          .handle("extended", extended))
  )

  const agent = HttpApiBuilder.group(
    mounted,
    "agent",
    (handlers) =>
      Effect.map(own, ({ act, addPush, call, extended, get, getPush, list, listPushes, removePush, say }) =>
        handlers
          .handle("call", call)
          .handle("say", say)
          .handle("list", list)
          .handle("get", get)
          .handle("act", act)
          .handle("addPush", addPush)
          .handle("listPushes", listPushes)
          .handle("getPush", getPush)
          .handle("removePush", removePush)
          .handle("extended", extended))
  )

  const cards = HttpApiBuilder.group(
    mounted,
    "cards",
    (handlers) =>
      Effect.map(
        own,
        ({ card }) => handlers.handle("ofAgent", ({ path }) => card({ path, headers: {}, urlParams: {} }))
      )
  )

  return Layer.mergeAll(standing, agent, cards, Registry.layer(mounted))
}

/** The card at the root, which says where the rest is. */
export const wellKnownLayer = (mounted: typeof wellKnown, mount: string, { card }: Pick<Options, "card">) =>
  HttpApiBuilder.group(
    mounted,
    "well_known",
    (handlers) =>
      handlers.handle(
        "card",
        () => Effect.flatMap(publicUrl, (base) => Cards.answer(Cards.ofServer(`${base}${mount}`, card), "public"))
      )
  )
