/**
 * A container engine for tests, as strict as Docker's about what it is asked, at a socket in a folder. Its containers are
 * bubblewrap sandboxes of this machine in which programs really run. It keeps no limits of memory and processes: tests
 * say when the kernel of a real one would have acted.
 */
import { Effect, Either, ParseResult, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chmodSync, lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import type { Duplex } from "node:stream"
import { isRoot, system, words } from "../bubblewrap.ts"

const Text = Schema.String
const Limit = Schema.Struct({
  Name: Schema.Literal("core", "cpu", "fsize", "nofile"),
  Soft: Schema.Int,
  Hard: Schema.Int
})

const Create = Schema.Struct({
  Image: Text,
  Entrypoint: Schema.Array(Text),
  Cmd: Schema.Array(Text),
  User: Schema.String.pipe(Schema.pattern(/^\d+:\d+$/)),
  Hostname: Text,
  WorkingDir: Text,
  Env: Schema.Array(Schema.String.pipe(Schema.pattern(/^[^=]+=/))),
  OpenStdin: Schema.Literal(true),
  StdinOnce: Schema.Literal(true),
  AttachStdin: Schema.Boolean,
  AttachStdout: Schema.Boolean,
  AttachStderr: Schema.Boolean,
  Tty: Schema.Literal(false),
  NetworkDisabled: Schema.Boolean,
  Labels: Schema.Record({ key: Text, value: Text }),
  HostConfig: Schema.Struct({
    AutoRemove: Schema.Literal(true),
    Init: Schema.Literal(true),
    Mounts: Schema.Tuple(
      Schema.Struct({ Type: Schema.Literal("bind"), Source: Text, Target: Schema.Literal("/workspace") })
    ),
    Tmpfs: Schema.Struct({ "/tmp": Text }),
    NetworkMode: Text,
    IpcMode: Schema.Literal("private"),
    ShmSize: Schema.Int,
    // What a tenant's programs must never have.
    ReadonlyRootfs: Schema.Literal(true),
    Privileged: Schema.Literal(false),
    CapDrop: Schema.Tuple(Schema.Literal("ALL")),
    SecurityOpt: Schema.Tuple(Schema.Literal("no-new-privileges")),
    Memory: Schema.Int.pipe(Schema.greaterThanOrEqualTo(6 * 1024 * 1024)),
    MemorySwap: Schema.Int,
    PidsLimit: Schema.Int.pipe(Schema.positive()),
    NanoCpus: Schema.Int.pipe(Schema.between(1e7, 2e9)),
    Ulimits: Schema.Array(Limit),
    LogConfig: Schema.Struct({ Type: Schema.Literal("none") }),
    RestartPolicy: Schema.Struct({ Name: Schema.Literal("no") })
  })
})

const ExecCreate = Schema.Struct({
  AttachStdin: Schema.Literal(true),
  AttachStdout: Schema.Literal(true),
  AttachStderr: Schema.Literal(true),
  Tty: Schema.Literal(false),
  Privileged: Schema.Literal(false),
  Cmd: Schema.NonEmptyArray(Text),
  Env: Schema.Array(Schema.String.pipe(Schema.pattern(/^[^=]+=/))),
  WorkingDir: Schema.String.pipe(Schema.pattern(/^\//))
})

const ExecStart = Schema.Struct({ Detach: Schema.Literal(false), Tty: Schema.Literal(false) })

interface Container {
  readonly id: string
  readonly made: typeof Create.Type
  readonly run: string
  process: ChildProcess | undefined
  attached: Duplex | undefined
}

interface Exec {
  readonly container: Container
  readonly made: typeof ExecCreate.Type
  socket: Duplex | undefined
  code: number | undefined
  isStarted: boolean
}

/** What becomes of a request instead of what it asks for. */
export type Fault = { readonly status: number; readonly message: string } | "hang" | "cut" | "open"

type Faults = (method: string, path: string) => Fault | undefined | Promise<Fault | undefined>

const sandbox = ({ made, run }: Container) => [
  "--die-with-parent",
  "--unshare-pid",
  "--as-pid-1",
  ...made.NetworkDisabled ? ["--unshare-net"] : [],
  ...isRoot ? ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] : ["--unshare-user"],
  ...system,
  ...words("--ro-bind /usr /usr --ro-bind /etc /etc --proc /proc --dev /dev --tmpfs /tmp --chmod 1777 /tmp"),
  "--bind",
  run,
  "/run/agent",
  "--ro-bind",
  dirname(process.execPath),
  "/run/node",
  "--ro-bind",
  import.meta.dirname,
  "/run/code",
  "--bind",
  made.HostConfig.Mounts[0].Source,
  ...words("/workspace --remount-ro / --chdir / /run/node/node /run/code/agent.mjs")
]

export const fakeEngine = Effect.acquireRelease(
  Effect.promise(async () => {
    const dir = mkdtempSync(join(tmpdir(), "stoa-engine-"))
    const containers = new Map<string, Container>()
    const execs = new Map<string, Exec>()
    const followers = new Set<ServerResponse>()
    const images = new Set(["debian:stable-slim"])
    const state = {
      fault: undefined as Faults | undefined,
      info: {
        NCPU: 2,
        MemoryLimit: true,
        PidsLimit: true,
        SecurityOptions: ["name=seccomp,profile=builtin"]
      } as object,
      tellsEvents: true
    }
    const asked: Array<string> = []

    const tell = (Action: string, container: Container, attributes: object = {}) => {
      if (!state.tellsEvents) return
      const Attributes = { ...container.made.Labels, image: container.made.Image, ...attributes }
      for (const follower of followers) {
        follower.write(`${JSON.stringify({ Type: "container", Action, Actor: { ID: container.id, Attributes } })}\n`)
      }
    }

    const gone = (container: Container) => {
      if (!containers.delete(container.id)) return
      container.attached?.destroy()
      for (const exec of execs.values()) {
        if (exec.container !== container) continue
        exec.code ??= 137
        exec.socket?.destroy()
      }
      tell("die", container, { exitCode: "137" })
      rmSync(container.run, { recursive: true, force: true })
    }

    const start = (container: Container) =>
      new Promise<void>((resolve, reject) => {
        const child = spawn("bwrap", sandbox(container), { stdio: ["pipe", "pipe", "pipe"] })
        let words = ""
        let rest = ""
        child.stdin.on("error", () => {})
        child.stderr.on("data", (bytes: Buffer) => words += bytes.toString())
        child.stdout.on("data", (bytes: Buffer) => {
          const lines = (rest + bytes.toString()).split("\n")
          rest = lines.pop()!
          for (const line of lines) {
            if (line === "ready") {
              resolve()
              continue
            }
            const { code, id } = JSON.parse(line) as { readonly id: string; readonly code: number }
            const exec = execs.get(id)!
            exec.code = code
            tell("exec_die", container, { execID: id, exitCode: String(code) })
          }
        })
        child.once("exit", () => {
          reject(new Error(words))
          gone(container)
        })
        container.process = child
      })

    const idOf = (path: string) => path.split("/")[2]!

    const json = (response: ServerResponse, status: number, body?: unknown) =>
      response.writeHead(status, { "Content-Type": "application/json" }).end(
        body === undefined ? "" : JSON.stringify(body)
      )

    const bodyOf = async <A, I>(request: IncomingMessage, schema: Schema.Schema<A, I>) => {
      const pieces: Array<Buffer> = []
      for await (const piece of request) pieces.push(piece as Buffer)
      if (request.headers["content-type"] !== "application/json") return Either.left("the Content-Type is no JSON")
      return Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(
        JSON.parse(Buffer.concat(pieces).toString())
      ).pipe(Either.mapLeft(ParseResult.TreeFormatter.formatErrorSync))
    }

    const connected = (container: Container, head: object) => {
      const socket = connect(join(container.run, "socket"))
      socket.write(`${JSON.stringify(head)}\n`)
      return socket
    }

    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
      const url = new URL(request.url ?? "/", "http://docker")
      const path = url.pathname
      const route = `${request.method} ${path.replace(/^\/(containers|exec)\/[0-9a-f]{64}/, "/$1/ID")}`
      asked.push(route)
      const fault = await state.fault?.(request.method!, path)
      if (fault === "hang") return undefined
      if (fault === "cut") return request.socket.destroy()
      if (fault === "open") return open(request.socket)
      if (fault !== undefined) return json(response, fault.status, { message: fault.message })
      const container = containers.get(idOf(path))
      const isOfOne = path.startsWith("/containers/") && !["/containers/create", "/containers/json"].includes(path)
      if (isOfOne && container === undefined) {
        return json(response, 404, { message: `No such container: ${idOf(path)}` })
      }
      switch (route) {
        case "GET /_ping":
          return response.writeHead(200, { "Api-Version": "1.50" }).end("OK")
        case "GET /info":
          return json(response, 200, state.info)
        case "GET /events":
          followers.add(response)
          response.on("close", () => followers.delete(response))
          return response.writeHead(200, { "Content-Type": "application/json" }).flushHeaders()
        case "GET /containers/json": {
          const { label = [] } = JSON.parse(url.searchParams.get("filters") ?? "{}") as {
            label?: ReadonlyArray<string>
          }
          const found = [...containers.values()].filter(({ made }) =>
            label.every((one) => made.Labels[one.split("=")[0]!] === one.split("=")[1])
          )
          return json(response, 200, found.map(({ id, made }) => ({ Id: id, Image: made.Image, Labels: made.Labels })))
        }
        case "POST /containers/create": {
          const made = await bodyOf(request, Create)
          if (Either.isLeft(made)) return json(response, 400, { message: made.left })
          if (!images.has(made.right.Image)) {
            return json(response, 404, { message: `No such image: ${made.right.Image}` })
          }
          const [mount] = made.right.HostConfig.Mounts
          try {
            lstatSync(mount.Source)
          } catch {
            return json(response, 400, {
              message: `invalid mount config for type "bind": bind source path does not exist: ${mount.Source}`
            })
          }
          const id = randomBytes(32).toString("hex")
          const run = join(dir, id.slice(0, 12))
          mkdirSync(run)
          containers.set(id, { id, made: made.right, run, process: undefined, attached: undefined })
          return json(response, 201, { Id: id, Warnings: [] })
        }
        case "POST /containers/ID/start":
          try {
            await start(container!)
            return json(response, 204)
          } catch (error) {
            return json(response, 500, { message: String(error) })
          }
        case "DELETE /containers/ID":
          container!.process?.kill("SIGKILL")
          gone(container!)
          return json(response, 204)
        case "GET /containers/ID/top": {
          const socket = connected(container!, { top: true })
          let text = ""
          for await (const piece of socket) text += String(piece)
          // Docker's own first process has one more below it.
          const pids = ["0", ...JSON.parse(text) as ReadonlyArray<string>]
          return json(response, 200, { Titles: ["PID"], Processes: pids.map((pid) => [pid]) })
        }
        case "POST /containers/ID/exec": {
          const made = await bodyOf(request, ExecCreate)
          if (Either.isLeft(made)) return json(response, 400, { message: made.left })
          if (container!.process === undefined) return json(response, 409, { message: "container is not running" })
          const id = randomBytes(32).toString("hex")
          execs.set(id, {
            container: container!,
            made: made.right,
            socket: undefined,
            code: undefined,
            isStarted: false
          })
          return json(response, 201, { Id: id })
        }
        case "GET /exec/ID/json": {
          const exec = execs.get(idOf(path))
          if (exec === undefined) return json(response, 404, { message: "No such exec instance" })
          const Running = exec.isStarted && exec.code === undefined
          return json(response, 200, {
            ID: idOf(path),
            Running,
            ExitCode: exec.code ?? null,
            ContainerID: exec.container.id
          })
        }
      }
      const image = /^\/images\/(.+)\/json$/.exec(path)?.[1]
      if (request.method === "GET" && image !== undefined) {
        return images.has(image)
          ? json(response, 200, { Id: "sha256:1" })
          : json(response, 404, { message: `No such image: ${image}` })
      }
      return json(response, 404, { message: "page not found" })
    }

    const open = (socket: Duplex) =>
      socket.write(
        "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
      )

    const refuse = (socket: Duplex, status: number, message: string) => {
      const body = JSON.stringify({ message })
      socket.end(
        `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
      )
    }

    const upgrade = async (request: IncomingMessage, socket: Socket, head: Buffer): Promise<unknown> => {
      socket.on("error", () => {})
      const url = new URL(request.url ?? "/", "http://docker")
      asked.push(`${request.method} ${url.pathname.replace(/[0-9a-f]{64}/, "ID")}`)
      const fault = await state.fault?.(request.method!, url.pathname)
      if (fault === "hang") return undefined
      if (fault === "cut" || fault === "open") return socket.destroy()
      if (fault !== undefined) return refuse(socket, fault.status, fault.message)
      const attached = /^\/containers\/([0-9a-f]{64})\/attach$/.exec(url.pathname)
      if (attached !== null) {
        const container = containers.get(attached[1]!)
        if (container === undefined) return refuse(socket, 404, "No such container")
        container.attached = socket
        open(socket)
        socket.resume()
        // `StdinOnce`: its input ends with the client.
        for (const end of ["end", "close"]) socket.once(end, () => container.process?.stdin?.end())
        return undefined
      }
      const exec = execs.get(/^\/exec\/([0-9a-f]{64})\/start$/.exec(url.pathname)?.[1] ?? "")
      if (exec === undefined) return refuse(socket, 404, "No such exec instance")
      const length = Number(request.headers["content-length"] ?? 0)
      let body = head
      while (body.length < length) {
        const piece = await new Promise<Buffer>((resolve) => socket.once("data", resolve))
        socket.pause()
        body = Buffer.concat([body, piece])
      }
      const asks = Schema.decodeUnknownEither(ExecStart, { onExcessProperty: "error" })(
        JSON.parse(body.subarray(0, length).toString())
      )
      if (Either.isLeft(asks)) return refuse(socket, 400, "invalid start")
      if (exec.isStarted) return refuse(socket, 409, "exec is already running")
      if (!containers.has(exec.container.id)) return refuse(socket, 409, "container is not running")
      exec.isStarted = true
      exec.socket = socket
      const { made } = exec.container
      const [uid, gid] = made.User.split(":").map(Number)
      const env = Object.fromEntries(
        [...made.Env, ...exec.made.Env].map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)])
      )
      const inner = connected(exec.container, {
        id: /exec\/([0-9a-f]{64})/.exec(url.pathname)![1],
        cmd: exec.made.Cmd,
        cwd: exec.made.WorkingDir,
        env,
        ...isRoot && { uid, gid }
      })
      open(socket)
      inner.on("error", () => socket.destroy())
      inner.write(body.subarray(length))
      socket.pipe(inner)
      inner.pipe(socket)
      inner.on("close", () => socket.end())
      socket.on("close", () => inner.unpipe(socket).resume())
      return undefined
    }

    const server = createServer((request, response) =>
      void answer(request, response).catch((error: unknown) => json(response, 500, { message: String(error) }))
    )
    server.on("upgrade", (request, socket: Socket, head: Buffer) => void upgrade(request, socket, head))
    const path = join(dir, "engine.sock")
    await new Promise<void>((resolve) => server.listen(path, resolve))
    chmodSync(dir, 0o711)
    return {
      address: `unix://${path}`,
      image: "debian:stable-slim",
      asked: asked as ReadonlyArray<string>,
      state,
      containers: () => [...containers.values()].map(({ id, made }) => ({ id, made })),
      /** A container that was made before, with these labels. */
      add: (Labels: Record<string, string>) => {
        const id = randomBytes(32).toString("hex")
        const made = { Labels } as typeof Create.Type
        containers.set(id, { id, made, run: join(dir, id), process: undefined, attached: undefined })
      },
      /** As `docker kill`, or a kernel without memory, would. */
      kill: (id: string) => containers.get(id)?.process?.kill("SIGKILL"),
      /** Cuts the connections of programs that run. */
      cut: () => {
        for (const { socket } of execs.values()) socket?.destroy()
      },
      /** Tells those who listen for events what is none. */
      say: (text: string) => {
        for (const follower of followers) follower.write(`${text}\n`)
      },
      oom: (id: string) => tell("oom", containers.get(id)!),
      close: () => {
        for (const container of containers.values()) container.process?.kill("SIGKILL")
        server.closeAllConnections()
        for (const follower of followers) follower.destroy()
        server.close()
        rmSync(dir, { recursive: true, force: true })
      }
    }
  }),
  (engine) => Effect.sync(() => engine.close())
)
