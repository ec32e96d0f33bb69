/** The agent of an editor: its requests on standard input, answers and updates on standard output, until the input ends. */
import {
  agent,
  type AgentContext,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  RequestError
} from "@agentclientprotocol/sdk"
import { Cause, Deferred, Effect, Exit, FiberId, FiberSet, Option } from "effect"
import type { ReadableStream, WritableStream } from "node:stream/web"
import type { AgentId } from "../../domain/Ids.ts"
import { Refused } from "../client/Failures.ts"
import type { Connection } from "../Connection.ts"
import { explain } from "../Failed.ts"
import { version } from "../Version.ts"
import * as Sessions from "./Sessions.ts"
import { type Active, type Editor, internalError, prompt } from "./Turn.ts"

export interface Served {
  readonly connection: Connection
  readonly agent: AgentId
  readonly model: Option.Option<string>
  readonly input: ReadableStream<Uint8Array>
  readonly output: WritableStream<Uint8Array>
}

const authRequired = 401
const notFound = 404

/** A failure as an editor shows it: one sentence. */
const refusalOf = (error: unknown): RequestError => {
  if (error instanceof RequestError) return error
  const { line } = explain(error)
  const sentence = line.replace(/^stoa: /, "")
  if (error instanceof Refused && error.status === authRequired) return new RequestError(-32000, sentence)
  if (error instanceof Refused && error.status === notFound) return new RequestError(-32002, sentence)
  return new RequestError(internalError, sentence, error instanceof Refused ? { code: error.code } : undefined)
}

const editorOf = (client: AgentContext): Editor => ({
  // An editor that has left hears nothing, and the connection says so by itself.
  update: (sessionId, update) =>
    Effect.ignore(Effect.tryPromise(() => client.notify(methods.client.session.update, { sessionId, update }))),
  ask: (request) =>
    Effect.tryPromise({
      try: (signal) =>
        client.request(methods.client.session.requestPermission, request, {
          cancellationSignal: signal,
          stopWaitingOnCancel: true
        }),
      catch: (error) => Option.liftPredicate(error, (error) => error instanceof RequestError)
    }).pipe(
      // An editor that has left has decided nothing: the run waits for whoever comes next.
      Effect.catchAll(Option.match({ onNone: () => Effect.never, onSome: Effect.fail }))
    )
})

const busy = new RequestError(-32600, "The session works on a prompt already: cancel that one first.")

export const serve = ({ agent: agentId, connection, input, model, output }: Served) =>
  Effect.gen(function*() {
    const runAll = yield* FiberSet.makeRuntime<never>()
    const sessions = Sessions.make(connection, agentId, model)
    /** Prompts that are worked on, by their sessions: one at a time in each. */
    const active = new Map<string, Active>()
    let cwd = "/"

    /** Runs for one request, as long as anybody is there. */
    const answered = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
      new Promise((resolve, reject) => {
        runAll(effect).addObserver(Exit.match({
          onSuccess: resolve,
          onFailure: (cause) => reject(refusalOf(Cause.squash(cause)))
        }))
      })

    const loaded = (sessionId: string, client: AgentContext | undefined) =>
      Effect.gen(function*() {
        const session = yield* sessions.get(sessionId)
        if (client !== undefined) yield* sessions.replay(session, editorOf(client))
        return {}
      })

    const cancel = (sessionId: string) => {
      const one = active.get(sessionId)
      if (one !== undefined) Deferred.unsafeDone(one.cancelled, Effect.void)
    }

    const prompted = (sessionId: string, content: Parameters<typeof prompt>[2]["prompt"], client: AgentContext) =>
      Effect.suspend(() => {
        if (active.has(sessionId)) return Effect.fail(busy)
        const one: Active = { cancelled: Deferred.unsafeMake(FiberId.none) }
        active.set(sessionId, one)
        return Effect.gen(function*() {
          const session = yield* sessions.get(sessionId)
          const size = yield* sessions.sizeOf(session)
          return yield* prompt(connection, editorOf(client), { session, prompt: content, size, active: one })
        }).pipe(Effect.ensuring(Effect.sync(() => active.delete(sessionId))))
      })

    const app = agent({ name: "stoa" })
      .onRequest(methods.agent.initialize, () => ({
        protocolVersion: PROTOCOL_VERSION,
        agentInfo: { name: "stoa", title: "Stoa", version },
        agentCapabilities: {
          loadSession: true,
          promptCapabilities: { image: true, audio: true, embeddedContext: true },
          sessionCapabilities: { list: {}, resume: {}, close: {} }
        },
        authMethods: []
      }))
      .onRequest(methods.agent.session.new, ({ params }) => {
        cwd = params.cwd
        return answered(Effect.map(sessions.begin, (sessionId) => ({ sessionId })))
      })
      .onRequest(methods.agent.session.load, ({ client, params }) => {
        cwd = params.cwd
        return answered(loaded(params.sessionId, client))
      })
      .onRequest(methods.agent.session.resume, ({ params }) => answered(loaded(params.sessionId, undefined)))
      .onRequest(methods.agent.session.list, ({ params }) => answered(sessions.list(params.cursor, params.cwd ?? cwd)))
      .onRequest(methods.agent.session.close, ({ params }) => {
        cancel(params.sessionId)
        return {}
      })
      .onRequest(methods.agent.session.prompt, ({ client, params }) =>
        answered(prompted(params.sessionId, params.prompt, client)))
      .onNotification(methods.agent.session.cancel, ({ params }) =>
        cancel(params.sessionId))

    const connected = yield* Effect.acquireRelease(
      Effect.sync(() => app.connect(ndJsonStream(output, input))),
      (connected) => Effect.sync(() => connected.close())
    )
    yield* Effect.promise(() => connected.closed)
  }).pipe(Effect.scoped)
