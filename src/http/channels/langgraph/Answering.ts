/** Runs of requests: begun and followed, or followed again. */
import { Effect } from "effect"
import type { Accepted } from "../../../domain/Chat.ts"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Thread } from "../../../domain/Thread.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import { ResponseHeaders } from "../../middleware/ResponseHeaders.ts"
import type { Options } from "../Channel.ts"
import { decode } from "../Decoding.ts"
import * as Following from "./Following.ts"
import { runOf } from "./output/Views.ts"
import { modesOf } from "./request/Asked.ts"
import { Modes } from "./request/Requests.ts"
import * as Runs from "./Runs.ts"
import type { Threads } from "./Threads.ts"

export interface Joined {
  readonly headers: { readonly "last-event-id"?: string | undefined }
  readonly urlParams: {
    readonly stream_mode?: string | ReadonlyArray<string> | undefined
    readonly cancel_on_disconnect?: "0" | "1" | "true" | "false" | undefined
    readonly from?: number | undefined
  }
}

const nothing = (id: string) => NotFound.of("Run", id.slice(0, 256))

/** One mode, several with commas between them, or a list as JSON; or several of these. */
const modesIn = (given: string | ReadonlyArray<string> | undefined) => {
  if (given === undefined) return Effect.succeed(modesOf(undefined))
  const names = String(given).replaceAll(/[[\]" ]/g, "").split(",").filter((name) => name !== "")
  return Effect.map(decode(Modes, names), modesOf)
}

/** The number of the last frame that the client has. */
const lastOf = (id: string | undefined): number | undefined =>
  id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined

export const make = (options: Options, threads: Threads) =>
  Effect.gen(function*() {
    const { runs, sessions } = yield* Storage
    const following = yield* Following.make
    const accept = yield* Runs.make(options, threads)

    const pathOf = (thread: Thread | undefined, run: Run) =>
      thread === undefined ? `/runs/${run.id}` : `/threads/${encodeURIComponent(thread.thread_id)}/runs/${run.id}`

    /** Clients put these behind the address that they know of the server, which ends with the mount. */
    const say = (path: string, stream?: string) =>
      Effect.map(ResponseHeaders, (headers) => {
        headers["content-location"] = path
        if (stream !== undefined) headers["location"] = stream
      })

    const begun = Effect.fnUntraced(function*(request: Runs.Request) {
      const { accepted } = yield* Effect.ensuring(accept(request), Body.release)
      yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
      const session = yield* sessions.get(request.owner, accepted.session_id)
      const run = yield* runs.get(request.owner, accepted.run_id)
      return { accepted, session, run }
    })

    const headOf = (thread: Thread | undefined, run: Run, modes: ReturnType<typeof modesOf>, after: number) => ({
      run_id: run.id,
      thread_id: thread?.thread_id ?? run.session_id,
      assistant_id: run.agent_id,
      modes,
      after
    })

    const followedOf = (
      { payload, thread }: Runs.Request,
      { accepted, run, session }: { readonly accepted: Accepted; readonly run: Run; readonly session: Session }
    ): Following.Followed => ({
      session,
      run,
      head: headOf(thread, run, modesOf(payload.stream_mode), 0),
      from: accepted.seq,
      isNew: true,
      leaving: payload.on_disconnect === "cancel" ? "cancels" : "goes on"
    })

    const find = Effect.fnUntraced(function*(owner: UserId, thread: Thread | undefined, id: string) {
      const run = yield* Effect.mapError(runs.get(owner, id), () => nothing(id))
      const mine = thread === undefined ? undefined : yield* threads.sessionOf(thread)
      const isIts = thread === undefined
        ? run.source === "channel" && run.source_id === options.name
        : mine?.id === run.session_id
      if (!isIts) return yield* nothing(id)
      return { run, session: yield* Effect.mapError(sessions.get(owner, run.session_id), () => nothing(id)) }
    })

    return {
      find,
      stream: Effect.fnUntraced(function*(request: Runs.Request) {
        const took = yield* begun(request)
        const path = pathOf(request.thread, took.run)
        const query = new URLSearchParams({
          stream_mode: [...modesOf(request.payload.stream_mode)].join(","),
          from: String(took.accepted.seq)
        })
        yield* say(path, `${path}/stream?${query}`)
        return yield* following.stream(followedOf(request, took))
      }),
      wait: Effect.fnUntraced(function*(request: Runs.Request) {
        const took = yield* begun(request)
        yield* say(pathOf(request.thread, took.run))
        return yield* following.whole(followedOf(request, took))
      }),
      create: Effect.fnUntraced(function*(request: Runs.Request) {
        const { run } = yield* begun(request)
        yield* say(pathOf(request.thread, run))
        return runOf(run, request.thread?.thread_id ?? run.session_id)
      }),
      joinStream: Effect.fnUntraced(
        function*(owner: UserId, thread: Thread | undefined, id: string, { headers, urlParams }: Joined) {
          const { run, session } = yield* find(owner, thread, id)
          const modes = yield* modesIn(urlParams.stream_mode)
          const last = lastOf(headers["last-event-id"])
          const path = pathOf(thread, run)
          yield* say(path, `${path}/stream?${new URLSearchParams({ stream_mode: [...modes].join(",") })}`)
          const cancels = urlParams.cancel_on_disconnect === "1" || urlParams.cancel_on_disconnect === "true"
          return yield* following.stream({
            session,
            run,
            head: headOf(thread, run, modes, last ?? 0),
            from: last === undefined ? urlParams.from ?? 0 : 0,
            isNew: last === undefined,
            leaving: cancels ? "cancels" : "goes on"
          })
        }
      ),
      join: Effect.fnUntraced(function*(owner: UserId, thread: Thread, id: string) {
        const { run, session } = yield* find(owner, thread, id)
        const head = headOf(thread, run, modesOf(undefined), 0)
        return yield* following.whole({ session, run, head, from: 0, isNew: false, leaving: "goes on" })
      })
    }
  })
