/**
 * The HTTP API of a container engine, Docker's or one that speaks it, at a socket of this machine or at an address. Its
 * versions are many; what is used here is the same in all that are still looked after, so none is named.
 */
import { Data, Duration, Effect } from "effect"
import { type ClientRequest, type IncomingMessage, request, type RequestOptions } from "node:http"
import type { Socket } from "node:net"

/** Longest answer that is read, in characters, and longest time for one. */
const maxAnswer = 4 * 1024 * 1024
const timeout = Duration.seconds(30)

/** Most of the engine's own words that are told, in characters. */
const maxWords = 300

/** The engine cannot be reached, or refuses. `message` is a sentence without its end; `status` is 0 where nothing came. */
export class EngineFailed extends Data.TaggedError("EngineFailed")<{
  readonly status: number
  readonly message: string
}> {}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export interface Engine {
  readonly address: string
  /** Fails on any status from 400 on. */
  readonly call: (method: "GET" | "POST" | "DELETE", path: string, body?: object) => Effect.Effect<Answer, EngineFailed>
  /** Makes the connection a plain one, in both directions. */
  readonly hijack: (path: string, body?: object) => Effect.Effect<Socket, EngineFailed>
  /** Tells of each line of JSON until the connection ends, or the effect is interrupted. */
  readonly follow: (path: string, tell: (line: unknown) => void) => Effect.Effect<void, EngineFailed>
}

/** How an address is dialled: `unix:///var/run/docker.sock`, `tcp://host:port`; undefined where it is none. */
const dialOf = (address: string): Pick<RequestOptions, "host" | "port" | "socketPath"> | undefined => {
  if (address.startsWith("unix:///")) return { socketPath: address.slice("unix://".length) }
  const found = /^(?:tcp|http):\/\/([\w.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?\/?$/i.exec(address)
  return found === null ? undefined : { host: found[1]!.replace(/^\[|\]$/g, ""), port: Number(found[2] ?? 2375) }
}

/** Why a connection cannot be made, where its code alone would say it to nobody. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket: is the engine running?",
  EACCES: "this user may not open its socket: is it in the engine's group?",
  ECONNREFUSED: "nobody listens there: is the engine running?",
  ENOTFOUND: "no machine has this name",
  ETIMEDOUT: "it cannot be reached",
  EHOSTUNREACH: "it cannot be reached"
}

const reasonOf = (error: Error): string => {
  const code = "code" in error ? String(error.code) : error.message
  return Object.hasOwn(reasons, code) ? `${code}, ${reasons[code]}` : code
}

const wordsOf = (text: string): string => {
  try {
    const { message } = JSON.parse(text) as { readonly message?: unknown }
    if (typeof message === "string") return message.replaceAll(/\s+/g, " ").slice(0, maxWords)
  } catch {
    // No JSON.
  }
  return text.replaceAll(/\s+/g, " ").slice(0, maxWords)
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const textOf = (answer: IncomingMessage, done: (text: string | undefined) => void) => {
  const pieces: Array<Buffer> = []
  let size = 0
  answer.on("data", (piece: Buffer) => {
    size += piece.length
    if (size <= maxAnswer) pieces.push(piece)
    else answer.destroy()
  })
  answer.on("end", () => done(Buffer.concat(pieces).toString("utf8")))
  answer.on("close", () => done(undefined))
}

export const make = (address: string): Engine => {
  const dial = dialOf(address)
  const away = (why: string) =>
    new EngineFailed({ status: 0, message: `The container engine at ${address} does not answer (${why})` })

  const begin = (
    method: string,
    path: string,
    body: object | undefined,
    headers: Record<string, string>,
    fail: (error: EngineFailed) => void
  ): ClientRequest => {
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
    const asked = request({
      ...dial,
      method,
      path,
      agent: false,
      headers: {
        // The engine refuses calls that a browser could make.
        Host: "docker",
        ...headers,
        ...(bytes !== undefined && { "Content-Type": "application/json", "Content-Length": String(bytes.length) })
      }
    })
    asked.on("error", (error) => fail(away(reasonOf(error))))
    asked.end(bytes)
    return asked
  }

  const refusal = (status: number, text: string) =>
    new EngineFailed({ status, message: `The container engine says ${status}: ${wordsOf(text)}` })

  /** A plain timer: it also ends calls that nobody may interrupt. */
  const timed = (asked: ClientRequest, fail: (error: EngineFailed) => void) => {
    // @effect-diagnostics-next-line globalTimers:off -- it has to hold where fibers cannot be interrupted
    const timer = setTimeout(() => {
      fail(away("no answer in time"))
      asked.destroy()
    }, Duration.toMillis(timeout))
    return () => clearTimeout(timer)
  }

  /** It opens a connection where an answer was asked for. */
  const unasked = (fail: (error: EngineFailed) => void) => (_: IncomingMessage, socket: Socket) => {
    socket.destroy()
    fail(away("its answer is none"))
  }

  return {
    address,
    call: (method, path, body) =>
      Effect.async<Answer, EngineFailed>((resume) => {
        const fail = (error: EngineFailed) => resume(Effect.fail(error))
        if (dial === undefined) return fail(away("this is no address of one"))
        const asked = begin(method, path, body, {}, fail)
        const inTime = timed(asked, fail)
        asked.on("close", inTime)
        asked.on("upgrade", unasked(fail))
        asked.on("response", (answer) =>
          textOf(answer, (text) => {
            const status = answer.statusCode ?? 0
            if (text === undefined) return fail(away("its answer was cut"))
            return status < 400 ? resume(Effect.succeed({ status, body: jsonOf(text) })) : fail(refusal(status, text))
          }))
        return Effect.sync(() => asked.destroy())
      }),
    hijack: (path, body) =>
      Effect.async<Socket, EngineFailed>((resume) => {
        const fail = (error: EngineFailed) => resume(Effect.fail(error))
        if (dial === undefined) return fail(away("this is no address of one"))
        let isOpen = false
        const asked = begin("POST", path, body, { Connection: "Upgrade", Upgrade: "tcp" }, fail)
        const inTime = timed(asked, fail)
        asked.on("close", inTime)
        asked.on("upgrade", (_, socket: Socket, head: Buffer) => {
          isOpen = true
          inTime()
          socket.on("error", () => {})
          if (head.length > 0) socket.unshift(head)
          resume(Effect.succeed(socket))
        })
        asked.on("response", (answer) =>
          textOf(answer, (text) =>
            fail(refusal(answer.statusCode ?? 0, text ?? "it does not open a connection"))))
        return Effect.sync(() => {
          if (!isOpen) {
            asked.destroy()
          }
        })
      }),
    follow: (path, tell) =>
      Effect.async<void, EngineFailed>((resume) => {
        const fail = (error: EngineFailed) => resume(Effect.fail(error))
        if (dial === undefined) return fail(away("this is no address of one"))
        const asked = begin("GET", path, undefined, {}, fail)
        asked.on("upgrade", unasked(fail))
        asked.on("response", (answer) => {
          if ((answer.statusCode ?? 0) >= 400) {
            return textOf(answer, (text) => fail(refusal(answer.statusCode ?? 0, text ?? "")))
          }
          let rest = ""
          answer.setEncoding("utf8")
          answer.on("data", (text: string) => {
            const lines = (rest + text).split("\n")
            rest = lines.pop() ?? ""
            // A line that never ends is none of an engine.
            if (rest.length > maxAnswer) return void answer.destroy()
            for (const line of lines) if (line.trim() !== "") tell(jsonOf(line))
          })
          answer.on("close", () => resume(Effect.void))
        })
        return Effect.sync(() => asked.destroy())
      })
  }
}
