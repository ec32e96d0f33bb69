import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Layer } from "effect"
import { NotFound } from "../../../domain/Errors.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import type { Run } from "../../../domain/Run.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import { warn } from "../../Warnings.ts"
import * as A2aTarget from "../a2a/Target.ts"
import type { Options } from "../Channel.ts"
import { decode } from "../Decoding.ts"
import { refuse } from "../openai/request/Refused.ts"
import * as Answering from "./Answering.ts"
import type { api } from "./Api.ts"
import { assistantOf, runOf, statusOf } from "./output/Views.ts"
import { type AssistantSearch, type RunBody, ThreadBody } from "./request/Requests.ts"
import * as Searching from "./Searching.ts"
import * as States from "./States.ts"
import * as Threads from "./Threads.ts"

type Api = typeof api

const owned = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

/** Runs of a thread that are looked at for a list. */
const maxRuns = 100

const searched = (all: ReadonlyArray<ReturnType<typeof assistantOf>>, search: AssistantSearch) => {
  const { graph_id, limit, metadata, name, offset, select, sort_by, sort_order } = search
  const by = sort_by ?? "created_at"
  const sign = sort_order === "asc" ? 1 : -1
  return all.filter((one) =>
    (graph_id == null || one.graph_id === graph_id || one.assistant_id === graph_id) &&
    (name == null || one.name.toLowerCase().includes(name.toLowerCase())) &&
    // Agents have no metadata of their own.
    (metadata == null || Object.keys(metadata).length === 0)
  )
    .toSorted((a, b) => (a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0) * sign)
    .slice(offset, offset + limit)
    .map((one) => Searching.selected(one, select))
}

export const layer = (mounted: Api, options: Options) => {
  const system = HttpApiBuilder.group(mounted, "system", (handlers) =>
    handlers
      .handle("ok", () => Effect.succeed({ ok: true }))
      .handle("info", () => Effect.succeed({ version: "1.0.0", flags: { assistants: true, crons: false } })))

  const assistants = HttpApiBuilder.group(
    mounted,
    "assistants",
    (handlers) =>
      Effect.map(A2aTarget.make(options), ({ named, published }) =>
        handlers
          .handle("search", ({ payload }) =>
            Effect.map(
              Effect.flatMap(owned, published),
              (agents) => searched(agents.map(assistantOf), payload)
            ))
          .handle("get", ({ path }) =>
            Effect.map(
              Effect.flatMap(owned, (owner) => named(owner, path.assistant_id)),
              assistantOf
            )))
  )

  const threads = HttpApiBuilder.group(mounted, "threads", (handlers) =>
    Effect.gen(function*() {
      const threads = yield* Threads.make(options.name)
      const states = yield* States.make
      const search = yield* Searching.make(threads, states)

      const found = Effect.fnUntraced(function*(id: string) {
        const thread = yield* threads.get(yield* owned, id)
        const session = yield* threads.sessionOf(thread)
        if (session !== undefined) yield* note({ session_id: session.id })
        return { thread, session }
      })

      const stateAt = Effect.fnUntraced(function*(id: string, checkpoint: string | null | undefined) {
        const { session, thread } = yield* found(id)
        if (checkpoint == null) return yield* states.now(thread, session)
        const state = yield* states.at(thread, session, checkpoint)
        return state ?? (yield* NotFound.of("Checkpoint", checkpoint.slice(0, 256)))
      })

      return handlers
        .handle(
          "create",
          Effect.fnUntraced(function*({ payload }) {
            if (payload.supersteps != null && payload.supersteps.length > 0) {
              return yield* refuse("unsupported", "supersteps", "A thread begins with what is said in it")
            }
            if (payload.ttl != null) yield* warn(["ttl has no effect: a thread stays until somebody deletes it."])
            const thread = yield* threads.create(yield* owned, payload)
            return yield* states.view(thread, yield* threads.sessionOf(thread), false)
          })
        )
        .handle("search", ({ payload }) => Effect.flatMap(owned, (owner) => search(owner, payload)))
        .handle("get", ({ path }) =>
          Effect.flatMap(found(path.thread_id), ({ session, thread }) =>
            states.view(thread, session, false)))
        .handle(
          "update",
          Effect.fnUntraced(function*({ path, payload }) {
            const { session, thread } = yield* found(path.thread_id)
            return yield* states.view(yield* threads.update(thread, payload.metadata ?? {}), session, false)
          })
        )
        .handle("remove", ({ path }) =>
          Effect.flatMap(found(path.thread_id), ({ thread }) => threads.remove(thread)))
        .handle("state", ({ path }) => stateAt(path.thread_id, undefined))
        .handle("stateAt", ({ path }) => stateAt(path.thread_id, path.checkpoint_id))
        .handle("stateOf", ({ path, payload }) => stateAt(path.thread_id, payload.checkpoint.checkpoint_id))
        .handle("history", ({ path, payload }) =>
          Effect.flatMap(found(path.thread_id), ({ session, thread }) =>
            states.history(thread, session, payload)))
    }))

  const runs = HttpApiBuilder.group(mounted, "runs", (handlers) =>
    Effect.gen(function*() {
      const hub = yield* SessionHub
      const { runs } = yield* Storage
      const threads = yield* Threads.make(options.name)
      const { create, find, join, joinStream, stream, wait } = yield* Answering.make(options, threads)

      const asking = Effect.fnUntraced(
        function*(id: string, payload: RunBody, headers: { readonly "idempotency-key"?: string | undefined }) {
          const owner = yield* owned
          const thread = yield* Effect.catchTag(
            threads.get(owner, id),
            "NotFound",
            Effect.fnUntraced(function*(missing) {
              if (payload.if_not_exists !== "create") return yield* missing
              return yield* threads.create(owner, yield* decode(ThreadBody, { thread_id: id, if_exists: "do_nothing" }))
            })
          )
          return { owner, thread, payload, idempotencyKey: headers["idempotency-key"] }
        }
      )

      const found = Effect.fnUntraced(
        function*({ run_id, thread_id }: { readonly run_id: string; readonly thread_id: string }) {
          const owner = yield* owned
          const thread = yield* threads.get(owner, thread_id)
          const { run, session } = yield* find(owner, thread, run_id)
          yield* note({ session_id: session.id, run_id: run.id })
          return { owner, thread, run, session }
        }
      )

      return handlers
        .handle("stream", ({ headers, path, payload }) =>
          Effect.flatMap(asking(path.thread_id, payload, headers), stream))
        .handle("wait", ({ headers, path, payload }) =>
          Effect.flatMap(asking(path.thread_id, payload, headers), wait))
        .handle("create", ({ headers, path, payload }) =>
          Effect.flatMap(asking(path.thread_id, payload, headers), create))
        .handle(
          "list",
          Effect.fnUntraced(function*({ path, urlParams: { limit, offset, select, status } }) {
            const owner = yield* owned
            const thread = yield* threads.get(owner, path.thread_id)
            const session = yield* threads.sessionOf(thread)
            if (session === undefined) {
              return []
            }
            const found: Array<Run> = []
            for (let cursor: string | undefined, more = true; more && found.length < offset + limit;) {
              const page = yield* Effect.orDie(
                runs.list(owner, { limit: maxRuns, cursor }, { session_id: session.id }, "newest")
              )
              found.push(...page.items.filter((run) =>
                status === undefined || statusOf(run) === status
              ))
              cursor = page.next_cursor ?? undefined
              more = cursor !== undefined
            }
            const fields = select?.replaceAll(/[[\]" ]/g, "").split(",").filter((name) => name !== "")
            return found.slice(offset, offset + limit).map((run) =>
              Searching.selected(runOf(run, thread.thread_id), fields)
            )
          })
        )
        .handle("get", ({ path }) => Effect.map(found(path), ({ run, thread }) => runOf(run, thread.thread_id)))
        .handle("join", ({ path }) =>
          Effect.flatMap(found(path), ({ owner, thread }) =>
            join(owner, thread, path.run_id)))
        .handle("joinStream", ({ headers, path, urlParams }) =>
          Effect.flatMap(found(path), ({ owner, thread }) =>
            joinStream(owner, thread, path.run_id, { headers, urlParams })))
        .handle(
          "cancel",
          Effect.fnUntraced(function*({ path, urlParams }) {
            const { run, session } = yield* found(path)
            if (urlParams.action === "rollback") {
              return yield* refuse("unsupported", "action", "What was said stays: use interrupt")
            }
            yield* hub.cancel(session, run.id)
          })
        )
    }))

  const stateless = HttpApiBuilder.group(mounted, "stateless", (handlers) =>
    Effect.gen(function*() {
      const threads = yield* Threads.make(options.name)
      const { create, joinStream, stream, wait } = yield* Answering.make(options, threads)

      const asking = (payload: RunBody, headers: { readonly "idempotency-key"?: string | undefined }) =>
        Effect.map(
          owned,
          (owner) => ({ owner, thread: undefined, payload, idempotencyKey: headers["idempotency-key"] })
        )

      return handlers
        .handle("stream", ({ headers, payload }) => Effect.flatMap(asking(payload, headers), stream))
        .handle("wait", ({ headers, payload }) => Effect.flatMap(asking(payload, headers), wait))
        .handle("create", ({ headers, payload }) => Effect.flatMap(asking(payload, headers), create))
        .handle(
          "joinStream",
          ({ headers, path, urlParams }) =>
            Effect.flatMap(owned, (owner) => joinStream(owner, undefined, path.run_id, { headers, urlParams }))
        )
    }))

  return Layer.mergeAll(system, assistants, threads, runs, stateless)
}
