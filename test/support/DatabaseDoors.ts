/** What may stand before a PostgreSQL server: a door that speaks TLS, and a pooler such as PgBouncer. */
import { readFileSync } from "node:fs"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { TLSSocket } from "node:tls"

export interface Door {
  readonly url: string
  readonly close: () => Promise<void>
}

const pem = (name: string) => join(import.meta.dirname, "tls", `${name}.pem`)

/** A certificate that signs itself, by name: `here` is for 127.0.0.1, `elsewhere` for another host. Both last until 2120. */
export type CertificateName = "here" | "elsewhere"

export const certificateFile: (name: CertificateName) => string = pem

const sslRequest = 80877103
const gssRequest = 80877104

const open = async (server: Server, url: string, sockets: Set<Socket>) => {
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  const through = new URL(url)
  through.hostname = "127.0.0.1"
  through.port = String((server.address() as AddressInfo).port)
  return {
    url: through.href,
    close: () =>
      new Promise<void>((closed) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => closed())
      })
  }
}

const upstreamOf = (url: string) => {
  const { hostname, port } = new URL(url)
  return connect({ host: hostname, port: Number(port) })
}

/** Speaks TLS to clients that ask for it, and plain words to the server. `kinds` tells how each connection spoke. */
export const tlsBefore = async (
  url: string,
  certificate: CertificateName
): Promise<Door & { readonly kinds: Array<"tls" | "plain"> }> => {
  const kinds: Array<"tls" | "plain"> = []
  const sockets = new Set<Socket>()
  const [cert, key] = [pem(certificate), pem(`${certificate}.key`)].map((file) => readFileSync(file))
  const server = createServer((client) => {
    sockets.add(client)
    client.on("error", () => {})
    client.once("data", (first: Buffer) => {
      const isTls = first.length === 8 && first.readInt32BE(4) === sslRequest
      const upstream = upstreamOf(url)
      sockets.add(upstream)
      upstream.on("error", () => client.destroy())
      upstream.on("close", () => client.destroy())
      client.on("close", () => upstream.destroy())
      if (!isTls) {
        kinds.push("plain")
        upstream.write(first)
        client.pipe(upstream).pipe(client)
        return
      }
      client.write("S")
      const secure = new TLSSocket(client, { isServer: true, cert, key } as object)
      secure.on("secure", () => kinds.push("tls"))
      secure.on("error", () => upstream.destroy())
      secure.pipe(upstream).pipe(secure)
    })
  })
  return { ...await open(server, url, sockets), kinds }
}

/** Whole messages of the protocol; the first of a client has no type. */
const messagesIn = (onMessage: (message: Buffer) => void, hasStartup: boolean) => {
  let waiting = Buffer.alloc(0)
  let isFirst = hasStartup
  return (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk])
    while (true) {
      const offset = isFirst ? 0 : 1
      if (waiting.length < offset + 4) return
      const length = offset + waiting.readInt32BE(offset)
      if (waiting.length < length) return
      const message = waiting.subarray(0, length)
      waiting = waiting.subarray(length)
      isFirst = false
      onMessage(message)
    }
  }
}

/** PgBouncer knows these parameters of a start, and refuses a client that names others. */
const knownParameters = new Set([
  "user",
  "database",
  "client_encoding",
  "datestyle",
  "timezone",
  "standard_conforming_strings",
  "application_name"
])

const parametersOf = (startup: Buffer) => {
  const words = startup.subarray(8).toString().split("\0")
  return new Map(words.flatMap((word, i) => i % 2 === 0 && word !== "" ? [[word, words[i + 1]!] as const] : []))
}

const message = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const refusal = (text: string) => message("E", Buffer.from(`SFATAL\0VFATAL\0C08P01\0M${text}\0\0`))

const authenticated = message("R", Buffer.from([0, 0, 0, 0]))
const ready = message("Z", Buffer.from("I"))

interface Lane {
  readonly socket: Socket
  /** The client that has it now. */
  holder: ((message: Buffer) => void) | undefined
}

/**
 * A pooler with as many connections to the server as are needed. `session` gives
 * a client one of them until it leaves, `transaction` until its transaction ends.
 */
export const poolerBefore = async (url: string, mode: "session" | "transaction"): Promise<Door> => {
  const sockets = new Set<Socket>()
  const idle: Array<Lane> = []

  const newLane = (startup: Buffer) =>
    new Promise<Lane>((done) => {
      const socket = upstreamOf(url)
      sockets.add(socket)
      const lane: Lane = { socket, holder: undefined }
      let isReady = false
      const read = messagesIn((message) => {
        if (isReady) return lane.holder?.(message)
        if (message[0] === 0x5a) {
          isReady = true
          done(lane)
        }
      }, false)
      socket.on("data", read)
      socket.on("error", () => {})
      socket.write(startup)
    })

  const server = createServer((client) => {
    sockets.add(client)
    client.on("error", () => {})
    let startup: Buffer | undefined
    let lane: Lane | undefined
    let getting: Promise<Lane> | undefined
    let last = Promise.resolve()
    const give = (message: Buffer) => {
      client.write(message)
      // `Z` with `I`: no transaction is open.
      if (mode === "transaction" && message[0] === 0x5a && message[5] === 0x49 && lane !== undefined) {
        lane.holder = undefined
        idle.push(lane)
        lane = undefined
      }
    }
    const take = async () => {
      if (lane !== undefined) return lane
      getting ??= Promise.resolve(idle.pop() ?? newLane(startup!)).finally(() => {
        getting = undefined
      })
      lane = await getting
      lane.holder = give
      return lane
    }
    const read = messagesIn((message) => {
      if (startup === undefined) {
        const code = message.readInt32BE(4)
        if (code === sslRequest || code === gssRequest) return void client.write("N")
        const unknown = [...parametersOf(message).keys()].find((name) => !knownParameters.has(name))
        if (unknown !== undefined) return void client.end(refusal(`unsupported startup parameter: ${unknown}`))
        startup = message
        // What the server says to a new connection comes from the pooler, with ids of its own.
        return void client.write(Buffer.concat([authenticated, keyData, ready]))
      }
      if (message[0] === 0x58) return void client.end()
      last = last.then(take).then(({ socket }) => void socket.write(message))
    }, true)
    client.on("data", read)
    client.on("close", () => {
      // A session's connection is not given to others here, so that nothing of it has to be undone.
      if (mode === "session") lane?.socket.destroy()
    })
  })
  return open(server, url, sockets)
}

const keyData = message("K", Buffer.from([0x7f, 1, 2, 3, 0, 0, 0, 1]))
