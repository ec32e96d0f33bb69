/** The whole host in memory behind a real socket, and ways to talk to it: typed, plain, and byte by byte. */
import { FetchHttpClient, HttpApiClient, HttpClient, HttpClientRequest, HttpServer } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { Cause, Context, Effect, Either, Layer, Logger } from "effect"
import { connect } from "node:net"
import { Api } from "../../src/http/Api.ts"
import { all as ownChannels } from "../../src/http/channels/All.ts"
import * as Mounts from "../../src/http/channels/Mounts.ts"
import * as Connections from "../../src/http/Connections.ts"
import * as Hosts from "../../src/http/middleware/Hosts.ts"
import * as Server from "../../src/http/Server.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ReadinessLocal from "../../src/layers/Readiness/Local.ts"
import { Readiness } from "../../src/services/Readiness.ts"
import { checkAnswer, checkFrames, hasItsEvents } from "./agentservice/Checked.ts"

/** Longest wait for bytes, in milliseconds. */
const patience = 10_000

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  /** The body as JSON; undefined when it is none. */
  readonly json: ReturnType<typeof JSON.parse>
}

export interface Call {
  readonly user?: string
  /** Sent as JSON, or as they are when they are bytes or a form. */
  readonly body?: unknown
  /** Sent as it is. */
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

const jsonOf = (text: string) => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const isRaw = (body: unknown): body is Buffer<ArrayBuffer> | FormData =>
  Buffer.isBuffer(body) || body instanceof FormData

const read = (raw: string): Answer => {
  const [head = "", ...rest] = raw.split("\r\n\r\n")
  const [line = "", ...lines] = head.split("\r\n")
  const text = rest.join("\r\n\r\n")
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()])
  )
  return { status: Number(line.split(" ")[1]), headers, text, json: jsonOf(text) }
}

/** A stream as it arrives. */
export interface Watching {
  readonly status: number
  readonly headers: Headers
  /** Everything so far. */
  readonly text: () => string
  readonly until: (seen: (text: string) => boolean) => Effect.Effect<string>
  /** The text when the server has ended the stream. */
  readonly ended: Effect.Effect<string>
  readonly leave: () => void
}

const door = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const readiness = yield* Readiness
  const port = address._tag === "TcpAddress" ? address.port : 0
  const url = `http://127.0.0.1:${port}`
  const context = yield* Effect.context<HttpClient.HttpClient>()

  const headersOf = ({ body, headers, user }: Call) => ({
    ...(user !== undefined && { "x-user-id": user }),
    ...(body !== undefined && !isRaw(body) && { "content-type": "application/json" }),
    ...headers
  })

  const call = (method: string, path: string, options: Call = {}): Effect.Effect<Answer> =>
    Effect.promise(async (signal) => {
      const body = options.text ?? (options.body === undefined
        ? null
        : isRaw(options.body)
        ? options.body
        : JSON.stringify(options.body))
      const response = await fetch(url + path, { method, headers: headersOf(options), body, signal })
      const text = await response.text()
      const json = jsonOf(text)
      if (response.status === 200) {
        if (response.headers.get("content-type")?.startsWith("text/event-stream") !== true) checkAnswer(path, json)
        else if (hasItsEvents(path)) checkFrames(text)
      }
      return { status: response.status, headers: Object.fromEntries(response.headers), text, json }
    })

  /** Opens a stream; leaving the scope leaves the stream. */
  const watch = (method: string, path: string, options: Call = {}) =>
    Effect.gen(function*() {
      const leaving = yield* Effect.acquireRelease(
        Effect.sync(() => new AbortController()),
        (controller) => Effect.sync(() => controller.abort())
      )
      const response = yield* Effect.promise(() =>
        fetch(url + path, {
          method,
          headers: headersOf(options),
          body: options.body === undefined ? null : JSON.stringify(options.body),
          signal: leaving.signal
        })
      )
      const decoder = new TextDecoder()
      let text = ""
      let done = false
      let told = () => {}
      const pump = async () => {
        for await (const chunk of response.body!) {
          text += decoder.decode(chunk, { stream: true })
          told()
        }
      }
      void pump().catch(() => {}).then(() => {
        // The last frame may have been cut off.
        if (response.status === 200 && hasItsEvents(path)) checkFrames(text.slice(0, text.lastIndexOf("\n\n") + 1))
        done = true
        told()
      })
      const until = (seen: (text: string) => boolean): Effect.Effect<string> =>
        Effect.async<string>((resume) => {
          told = () => {
            if (seen(text)) resume(Effect.succeed(text))
            else if (done) resume(Effect.die(new Error(`The stream ended before that: ${text}`)))
          }
          told()
        }).pipe(
          Effect.timeoutFail({ duration: patience, onTimeout: () => new Error(`Not seen in: ${text}`) }),
          Effect.orDie
        )
      const watching: Watching = {
        status: response.status,
        headers: response.headers,
        text: () => text,
        until,
        ended: until(() => done),
        leave: () => leaving.abort()
      }
      return watching
    })

  /** Sends bytes as they are, and reads until the server closes. */
  const raw = (...parts: ReadonlyArray<string | Buffer>): Effect.Effect<Answer> =>
    Effect.async<Answer>((resume) => {
      let got = ""
      const socket = connect(port, "127.0.0.1", () => {
        for (const part of parts) socket.write(part)
      })
      socket.setTimeout(patience, () => socket.destroy(new Error(`No answer in time. So far: ${got}`)))
      socket.on("data", (chunk) => got += chunk.toString())
      socket.on("close", () => resume(Effect.succeed(read(got))))
      socket.on("error", (error) => resume(Effect.die(error)))
      return Effect.sync(() => socket.destroy())
    })

  const clientOf = (headers: Readonly<Record<string, string>>) =>
    HttpApiClient.make(Api, {
      baseUrl: url,
      transformClient: HttpClient.mapRequest(HttpClientRequest.setHeaders(headers))
    }).pipe(Effect.provide(context))

  return {
    port,
    url,
    call,
    watch,
    raw,
    client: (user: string) => clientOf({ "x-user-id": user }),
    clientWithKey: (key: string) => clientOf({ authorization: `Bearer ${key}` }),
    setReady: readiness.set
  }
})

export class TestHost
  extends Context.Tag("stoa/test/support/TestHost")<TestHost, Effect.Effect.Success<typeof door>>()
{}

/** A free port on loopback; closing it waits for nobody. */
const socketOf = ({ node }: Connections.Connections) => {
  const cut = Layer.scopedDiscard(Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections())))
  return Layer.provideMerge(cut, NodeHttpServer.layer(() => node, { port: 0, host: "127.0.0.1" }))
}

export const socket = Layer.unwrapEffect(
  Effect.sync(() => {
    const admitsOrigin = Hosts.admitsOrigin({ loopback: true, corsOrigins: [], allowedHosts: [] })
    return socketOf(Connections.createServer({ maxConnections: undefined, admitsOrigin }))
  })
)

/** Ready from the start. */
export const readiness = Layer.provideMerge(
  Layer.effectDiscard(Effect.flatMap(Readiness, ({ set }) => set(true))),
  ReadinessLocal.layer
)

export const talkTo = Layer.effect(TestHost, door).pipe(Layer.provide(FetchHttpClient.layer))

/** The channels that Stoa brings, where they usually are. */
export const channels = Either.getOrThrow(
  Mounts.mount(ownChannels, Server.nativeRoutes, { settings: {}, trusted: false })
)

export interface TestHostOptions extends Partial<Server.Options> {
  readonly host?: Layer.Layer<Host.Host>
}

export const layer = ({ host = Host.layerMemory, ...options }: TestHostOptions = {}) =>
  Layer.unwrapEffect(Effect.sync(() => {
    const { allowedHosts = [], corsOrigins = [], loopback = true } = options
    const admitsOrigin = Hosts.admitsOrigin({ loopback, corsOrigins, allowedHosts })
    const connections = options.connections ?? Connections.createServer({ maxConnections: undefined, admitsOrigin })
    return talkTo.pipe(
      Layer.provideMerge(
        Server.layer({ loopback: true, corsOrigins: [], allowedHosts: [], channels, ...options, connections })
      ),
      Layer.provideMerge(Layer.mergeAll(host, readiness, socketOf(connections)))
    )
  }))

/** What has been logged, as text. */
export class Logged extends Context.Tag("stoa/test/support/Logged")<Logged, ReadonlyArray<string>>() {}

export const logged = Layer.unwrapEffect(Effect.sync(() => {
  const lines: Array<string> = []
  const logger = Logger.make(({ annotations, cause, logLevel, message }) => {
    lines.push(
      [logLevel.label, JSON.stringify(message), Cause.pretty(cause), JSON.stringify([...annotations])].join(" ")
    )
  })
  return Layer.merge(Logger.replace(Logger.defaultLogger, logger), Layer.succeed(Logged, lines))
}))
