/** A network that can be made bad: a TCP proxy before a server, such as PostgreSQL. */
import { connect, createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"

export interface Chaos {
  /** The url that was given, through the proxy. */
  readonly url: string
  /** Breaks every connection; new ones are welcome. */
  readonly cut: () => void
  /** Breaks every connection, and every new one at once: the server is away. */
  readonly refuse: () => void
  /** Connections stay and no byte goes either way: the cable is out. */
  readonly stall: () => void
  /** Every piece takes so much longer, in milliseconds, each way. */
  readonly latency: (millis: number) => void
  /** All is well again; what was held goes out. */
  readonly back: () => void
  readonly connections: () => number
  readonly close: () => Promise<void>
}

export const chaosBefore = async (url: string): Promise<Chaos> => {
  const target = new URL(url)
  const sockets = new Set<Socket>()
  let refusing = false
  let stalled = false
  let delay = 0

  const destroyAll = () => {
    for (const socket of sockets) socket.destroy()
  }

  /** Hands bytes over as they come, late when there is latency, and holds them while stalled. */
  const pass = (from: Socket, to: Socket) => {
    let last = Promise.resolve()
    from.on("data", (bytes) => {
      if (delay === 0) {
        to.write(bytes)
        return
      }
      const due = new Promise<void>((go) => setTimeout(go, delay))
      last = Promise.all([last, due]).then(() => {
        if (!to.destroyed) to.write(bytes)
      })
    })
    from.on("end", () => void last.then(() => to.end()))
    from.on("close", () => {
      sockets.delete(from)
      to.destroy()
    })
    from.on("error", () => {})
    if (stalled) from.pause()
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    client.on("error", () => {})
    if (refusing) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect({ host: target.hostname, port: Number(target.port), allowHalfOpen: true })
    sockets.add(client).add(upstream)
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    pass(client, upstream)
    pass(upstream, client)
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  const through = new URL(url)
  through.port = String((server.address() as AddressInfo).port)

  return {
    url: through.href,
    cut: destroyAll,
    refuse: () => {
      refusing = true
      destroyAll()
    },
    stall: () => {
      stalled = true
      for (const socket of sockets) socket.pause()
    },
    latency: (millis) => {
      delay = millis
    },
    back: () => {
      refusing = false
      stalled = false
      delay = 0
      for (const socket of sockets) socket.resume()
    },
    connections: () => sockets.size / 2,
    close: () =>
      new Promise((closed) => {
        destroyAll()
        server.close(() => closed())
      })
  }
}
