/** An editor: the client side of ACP's own SDK, with the built `stoa acp` as its agent. */
import {
  client,
  type ClientConnection,
  methods,
  ndJsonStream,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate
} from "@agentclientprotocol/sdk"
import { spawn } from "node:child_process"
import { connect, createServer, type Socket } from "node:net"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { resolve } from "node:path"
import { Readable, Writable } from "node:stream"

const main = resolve(import.meta.dirname, "../../dist/bin/stoa.js")

export interface EditorOptions {
  readonly url: string
  readonly args?: ReadonlyArray<string>
  readonly decide?: (
    request: RequestPermissionRequest
  ) => RequestPermissionResponse | Promise<RequestPermissionResponse>
}

export interface Editor {
  readonly agent: ClientConnection["agent"]
  readonly updates: Array<SessionUpdate>
  /** Lines of standard output that were no message of the protocol. */
  readonly stray: () => ReadonlyArray<string>
  /** Closes the agent's input, and answers its exit code. */
  readonly leave: () => Promise<number | null>
  readonly until: (isSo: () => boolean) => Promise<void>
}

export const editorOf = ({ args = [], decide, url }: EditorOptions): Editor => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("STOA_")))
  const child = spawn(process.execPath, [main, "acp", "--url", url, "--user", "ada", ...args], {
    cwd: tmpdir(),
    env,
    stdio: ["pipe", "pipe", "inherit"]
  })
  const exited = new Promise<number | null>((done) => child.on("close", done))
  const updates: Array<SessionUpdate> = []
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
  const app = client({ name: "editor" })
    .onRequest(
      methods.client.session.requestPermission,
      ({ params }) => decide?.(params) ?? { outcome: { outcome: "cancelled" } }
    )
    .onNotification(methods.client.session.update, ({ params }) => {
      updates.push(params.update)
    })
  const { agent } = app.connect(
    ndJsonStream(
      Writable.toWeb(child.stdin) as WritableStream<Uint8Array>,
      Readable.toWeb(child.stdout) as unknown as ReadableStream<Uint8Array>
    )
  )
  return {
    agent,
    updates,
    stray: () =>
      output.split("\n").filter((line) => {
        if (line === "") return false
        try {
          return JSON.parse(line).jsonrpc !== "2.0"
        } catch {
          return true
        }
      }),
    leave: () => {
      child.stdin.end()
      return exited
    },
    until: async (isSo) => {
      while (!isSo()) await new Promise((done) => setTimeout(done, 20))
    }
  }
}

/** One address for a server that comes back at another port. */
export const addressFor = async (url: () => string) => {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    const there = connect(Number(new URL(url()).port), "127.0.0.1")
    for (const one of [socket, there]) {
      sockets.add(one)
      one.on("error", () => {})
      one.on("close", () => {
        sockets.delete(one)
        socket.destroy()
        there.destroy()
      })
    }
    socket.pipe(there).pipe(socket)
  })
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        for (const socket of sockets) socket.destroy()
        server.close(done)
      })
  }
}
