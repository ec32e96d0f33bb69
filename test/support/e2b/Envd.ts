/** What runs in each sandbox of the fake service, in the words of the real one's errors. */
import { Either, ParseResult, Schema } from "effect"
import { createReadStream, promises as fs, type Stats } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { dirname, join, posix } from "node:path"
import { type Fake, own, run } from "./Sandbox.ts"

const Text = Schema.String
const Path = Schema.Struct({ path: Text })
const Selector = Schema.Struct({ pid: Schema.Int })
const asked = {
  "filesystem.Filesystem/Stat": Path,
  "filesystem.Filesystem/MakeDir": Path,
  "filesystem.Filesystem/Remove": Path,
  "filesystem.Filesystem/ListDir": Schema.Struct({ path: Text, depth: Schema.Int }),
  "filesystem.Filesystem/Move": Schema.Struct({ source: Text, destination: Text }),
  "process.Process/SendInput": Schema.Struct({
    process: Selector,
    input: Schema.Struct({ stdin: Schema.StringFromBase64.pipe(Schema.encodedSchema) })
  }),
  "process.Process/SendSignal": Schema.Struct({
    process: Selector,
    signal: Schema.Literal("SIGNAL_SIGKILL", "SIGNAL_SIGTERM")
  }),
  "process.Process/CloseStdin": Schema.Struct({ process: Selector })
}

const Start = Schema.Struct({
  process: Schema.Struct({
    cmd: Text,
    args: Schema.Array(Text),
    envs: Schema.optional(Schema.Record({ key: Text, value: Text })),
    cwd: Schema.optional(Text)
  }),
  stdin: Schema.Boolean
})

class Refused extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

const statuses: Readonly<Record<string, number>> = {
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  unimplemented: 404,
  internal: 500
}

const root = "/home/user"

/** The folder of this machine that a path of the sandbox is. */
const hostPath = ({ home }: Fake, path: string) => {
  const plain = posix.normalize(posix.isAbsolute(path) ? path : posix.join(root, path))
  if (plain !== root && !plain.startsWith(`${root}/`)) throw new Refused("internal", `${path}: permission denied`)
  return join(home, plain.slice(root.length))
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code

/** In Go's words. */
const wordsOf = (error: unknown) =>
  ({
    ENOTDIR: "not a directory",
    ENAMETOOLONG: "file name too long",
    EISDIR: "is a directory",
    ENOENT: "no such file or directory"
  })[
    codeOf(error) ?? ""
  ] ?? String(error)

const kindOf = (info: Stats) =>
  info.isFile() ? "FILE_TYPE_FILE" : info.isDirectory() ? "FILE_TYPE_DIRECTORY" : "FILE_TYPE_UNSPECIFIED"

const infoOf = async (sandbox: Fake, path: string) => {
  const host = hostPath(sandbox, path)
  const info = await fs.lstat(host).catch((error: unknown) => {
    throw codeOf(error) === "ENOENT"
      ? new Refused("not_found", `file not found: lstat ${path}: no such file or directory`)
      : new Refused("internal", `error getting file info: lstat ${path}: ${wordsOf(error)}`)
  })
  const link = info.isSymbolicLink() ? posix.resolve(posix.dirname(path), await fs.readlink(host)) : undefined
  const target = link === undefined ? info : await fs.stat(hostPath(sandbox, link)).catch(() => undefined)
  return {
    name: posix.basename(path),
    ...target !== undefined && { type: kindOf(target) },
    path,
    size: String(info.size),
    mode: info.mode & 0o777,
    permissions: "-rw-r--r--",
    owner: "user",
    group: "user",
    modifiedTime: info.mtime.toISOString(),
    ...link !== undefined && { symlinkTarget: link }
  }
}

const ensureDirs = async (folder: string) => {
  const missing: Array<string> = []
  for (let at = folder;; at = dirname(at)) {
    const info = await fs.stat(at).catch((error: unknown) => {
      if (codeOf(error) === "ENOTDIR") throw new Refused("internal", `failed to stat directory: ${wordsOf(error)}`)
    })
    if (info?.isDirectory() === true) break
    if (info !== undefined) throw new Refused("internal", `path is a file: ${at}`)
    missing.unshift(at)
  }
  for (const one of missing) {
    await fs.mkdir(one).catch((error: unknown) => {
      if (codeOf(error) !== "EEXIST") throw new Refused("internal", `failed to create directory: ${wordsOf(error)}`)
    })
    own(one)
  }
}

const calls: Readonly<Record<string, (sandbox: Fake, body: never) => Promise<object>>> = {
  "filesystem.Filesystem/Stat": async (sandbox, { path }: typeof Path.Type) => ({ entry: await infoOf(sandbox, path) }),
  "filesystem.Filesystem/MakeDir": async (sandbox, { path }: typeof Path.Type) => {
    const host = hostPath(sandbox, path)
    const info = await fs.stat(host).catch(() => undefined)
    if (info?.isDirectory() === true) throw new Refused("already_exists", `directory already exists: ${path}`)
    if (info !== undefined) throw new Refused("invalid_argument", "path already exists but it is not a directory")
    await ensureDirs(host)
    return { entry: await infoOf(sandbox, path) }
  },
  "filesystem.Filesystem/Remove": async (sandbox, { path }: typeof Path.Type) => {
    await fs.rm(hostPath(sandbox, path), { recursive: true, force: true })
    return {}
  },
  "filesystem.Filesystem/ListDir": async (sandbox, { path }: { readonly path: string }) => {
    const host = hostPath(sandbox, path)
    const info = await fs.stat(host).catch((error: unknown) => {
      throw new Refused(codeOf(error) === "ENOENT" ? "not_found" : "internal", `directory not found: ${wordsOf(error)}`)
    })
    if (!info.isDirectory()) throw new Refused("invalid_argument", `path is not a directory: ${path}`)
    const entries = await Promise.all(
      (await fs.readdir(host)).map((name) => infoOf(sandbox, posix.join(path, name)).catch(() => undefined))
    )
    return { entries: entries.filter((entry) => entry !== undefined) }
  },
  "filesystem.Filesystem/Move": async (sandbox, { destination, source }: { source: string; destination: string }) => {
    const to = hostPath(sandbox, destination)
    await ensureDirs(dirname(to))
    await fs.rename(hostPath(sandbox, source), to).catch((error: unknown) => {
      throw codeOf(error) === "ENOENT"
        ? new Refused("not_found", `source file not found: ${wordsOf(error)}`)
        : new Refused("internal", `error renaming: ${wordsOf(error)}`)
    })
    return { entry: await infoOf(sandbox, destination) }
  },
  "process.Process/SendInput": async (
    { programs },
    { input, process }: { process: { pid: number }; input: { stdin: string } }
  ) => {
    const socket = programs.get(process.pid)
    if (socket === undefined) throw new Refused("not_found", `process with pid ${process.pid} not found`)
    await new Promise<void>((resolve) => socket.write(Buffer.from(input.stdin, "base64"), () => resolve()))
    return {}
  },
  "process.Process/SendSignal": async (sandbox, { process }: { process: { pid: number } }) => {
    if (!sandbox.programs.has(process.pid)) {
      throw new Refused("not_found", `process with pid ${process.pid} not found`)
    }
    const { socket } = await run(sandbox, { cmd: "/bin/sh", args: ["-c", `kill -9 ${process.pid}`], cwd: "/" })
    await new Promise<void>((resolve) => {
      socket.resume()
      socket.once("close", () => resolve())
    })
    return {}
  },
  "process.Process/CloseStdin": async ({ programs }, { process }: { process: { pid: number } }) => {
    const socket = programs.get(process.pid)
    if (socket === undefined) throw new Refused("not_found", `process with pid ${process.pid} not found`)
    socket.end()
    return {}
  }
}

const bytesOf = async (request: IncomingMessage) => {
  const pieces: Array<Buffer> = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

const decode = (schema: Schema.Schema.AnyNoContext, text: string): unknown => {
  const decoded = Schema.decodeUnknownEither(schema as Schema.Schema<unknown>, { onExcessProperty: "error" })(
    JSON.parse(text)
  )
  if (Either.isRight(decoded)) return decoded.right
  throw new Refused("invalid_argument", ParseResult.TreeFormatter.formatErrorSync(decoded.left))
}

const json = (response: ServerResponse, status: number, body: object) =>
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body))

const start = async (sandbox: Fake, request: IncomingMessage, response: ServerResponse) => {
  const send = (body: object, flags = 0) => {
    const text = Buffer.from(JSON.stringify(body))
    const head = Buffer.alloc(5)
    head[0] = flags
    head.writeUInt32BE(text.length, 1)
    return response.write(Buffer.concat([head, text]))
  }
  response.writeHead(200, { "Content-Type": "application/connect+json" })
  const end = (error?: object) => {
    send(error === undefined ? {} : { error }, 2)
    response.end()
  }
  try {
    const body = await bytesOf(request)
    if (request.headers["content-type"] !== "application/connect+json" || body.readUInt32BE(1) !== body.length - 5) {
      throw new Refused("invalid_argument", "protocol error")
    }
    const { process } = decode(Start, body.subarray(5).toString()) as typeof Start.Type
    if (process.cwd !== undefined) await fs.access(hostPath(sandbox, process.cwd))
    const { on, socket } = await run(sandbox, process)
    let pid = 0
    on((kind, bytes) => {
      if (kind === "failed") return end({ code: "invalid_argument", message: bytes.toString() })
      if (kind === "pid") {
        pid = Number(bytes)
        sandbox.programs.set(pid, socket)
        return send({ event: { start: { pid } } })
      }
      if (kind !== "end") {
        if (!send({ event: { data: { [kind]: bytes.toString("base64") } } })) {
          socket.pause()
          response.once("drain", () => socket.resume())
        }
        return
      }
      sandbox.programs.delete(pid)
      const { code, signal } = JSON.parse(bytes.toString()) as { code: number | null; signal: string | null }
      send({
        event: {
          end: signal === null
            ? { ...code !== 0 && { exitCode: code }, exited: true, status: `exit status ${code}` }
            : { exitCode: -1, status: `signal: ${signal === "SIGKILL" ? "killed" : "terminated"}` }
        }
      })
      end()
    })
    socket.on("close", () => response.destroy())
    // The program goes on, as a real one does, and nothing of it is heard.
    response.on("close", () => socket.resume())
  } catch (error) {
    end({ code: error instanceof Refused ? error.code : "internal", message: String(error) })
  }
}

const download = async (sandbox: Fake, path: string, request: IncomingMessage, response: ServerResponse) => {
  const host = hostPath(sandbox, path)
  const info = await fs.stat(host).catch(() => undefined)
  if (info === undefined) return json(response, 404, { code: 404, message: `path '${path}' does not exist` })
  if (!info.isFile()) return json(response, 400, { code: 400, message: `path '${path}' is a directory` })
  const [, from = "0", to = ""] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? []
  const headers = { "Last-Modified": info.mtime.toUTCString(), "Content-Type": "application/octet-stream" }
  if (info.size === 0) return response.writeHead(200, headers).end()
  if (Number(from) >= info.size) return response.writeHead(416).end()
  const stream = createReadStream(host, { start: Number(from), end: to === "" ? info.size : Number(to) })
  const last = to === "" ? info.size - 1 : Math.min(Number(to), info.size - 1)
  return stream.pipe(
    response.writeHead(206, { ...headers, "Content-Range": `bytes ${from}-${last}/${info.size}` })
  )
}

const upload = async (sandbox: Fake, path: string | null, request: IncomingMessage, response: ServerResponse) => {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(request.headers["content-type"] ?? "")?.[1]
  if (boundary === undefined) return json(response, 400, { code: 400, message: "unsupported content type" })
  const body = await bytesOf(request)
  const written: Array<object> = []
  const edge = Buffer.from(`--${boundary}`)
  let at = body.indexOf(edge)
  for (;;) {
    at += edge.length
    if (body.subarray(at, at + 2).toString() === "--") break
    const headEnd = body.indexOf("\r\n\r\n", at)
    const next = body.indexOf(edge, headEnd)
    if (headEnd < 0 || next < 0) {
      return json(response, 500, { code: 500, message: "error reading form: unexpected EOF" })
    }
    const head = body.subarray(at, headEnd).toString()
    const name = /name="file"; filename="((?:[^"\\]|\\.)*)"/.exec(head)?.[1]?.replaceAll(/\\(.)/g, "$1")
    if (name === undefined) return json(response, 400, { code: 400, message: "error getting multipart file name" })
    const target = path ?? name
    const host = hostPath(sandbox, target)
    await ensureDirs(dirname(host))
    await fs.writeFile(host, body.subarray(headEnd + 4, next - 2))
    own(host)
    written.push({ path: target, name: posix.basename(target), type: "file" })
    at = next
  }
  return json(response, 200, written)
}

export const answer = async (
  sandbox: Fake,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse
): Promise<unknown> => {
  const method = url.pathname.slice(1)
  try {
    if (method === "files") {
      const path = url.searchParams.get("path")
      if (url.searchParams.get("username") !== "user") return json(response, 401, { code: 401, message: "no user" })
      return await (request.method === "GET"
        ? download(sandbox, path ?? "", request, response)
        : upload(sandbox, path, request, response))
    }
    if (request.headers["connect-protocol-version"] !== "1") {
      throw new Refused("invalid_argument", "no protocol version")
    }
    if (method === "process.Process/Start") return await start(sandbox, request, response)
    const call = calls[method]
    if (call === undefined) throw new Refused("unimplemented", `no ${method}`)
    const body = decode(
      asked[method as keyof typeof asked] as Schema.Schema.AnyNoContext,
      (await bytesOf(request)).toString()
    )
    return json(response, 200, await call(sandbox, body as never))
  } catch (error) {
    const code = error instanceof Refused ? error.code : "internal"
    return json(response, statuses[code] ?? 500, {
      code,
      message: error instanceof Error ? error.message : String(error)
    })
  }
}
