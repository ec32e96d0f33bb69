/**
 * One process per data folder. PGlite itself lets a second process open a live
 * folder, and rows that were acknowledged vanish.
 *
 * The lock is a listening socket, because the kernel lets go of it however its
 * holder dies. Linux: an abstract socket named after the folder's device and
 * inode, which no link or bind mount can change. Abstract names end at the
 * network namespace, and two containers may share one volume: so the lock file
 * in the folder is a socket too, which answers across namespaces (it is looked
 * up by inode) and refuses at once when its holder is gone. A file with a pid
 * could not tell: pids end at the container as well, and a restarted container
 * must not wait or ask. Windows: a named pipe. Elsewhere: the lock file alone.
 * Not seen: another machine on the same network disk.
 */
import { Data, Effect, Option } from "effect"
import type { Scope } from "effect"
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { type DataDirUnusable, unusable } from "./DataDir.ts"

/** Another process has the folder open. */
export class DataDirLocked extends Data.TaggedError("DataDirLocked")<{
  readonly dataDir: string
  /** The holder's process id, when it answered; it may be one of another container. */
  readonly pid: Option.Option<number>
}> {
  override get message() {
    const holder = Option.match(this.pid, { onNone: () => "", onSome: (pid) => ` (process ${pid})` })
    return `The data folder ${this.dataDir} is in use by another stoa${holder}: ` +
      "stop the other stoa, or choose another --data-dir."
  }
}

/** How long a holder may take to say its pid. */
const answerMillis = 500

/** Longest path a unix socket can have on every system. */
const maxSocketPath = 100

type Claim = { readonly _tag: "Held"; readonly server: Net.Server } | {
  readonly _tag: "Failed"
  readonly cause: unknown
}

const listen = (address: string) =>
  new Promise<Claim>((resolve) => {
    const server = Net.createServer((socket) => {
      socket.on("error", () => {})
      socket.end(`${process.pid}\n`)
    })
    server.once("error", (cause) => resolve({ _tag: "Failed", cause }))
    server.listen({ path: address, exclusive: true }, () => {
      server.on("error", () => {})
      resolve({ _tag: "Held", server })
    })
    server.unref()
  })

type Answer = { readonly alive: false } | { readonly alive: true; readonly pid: Option.Option<number> }

const ask = (address: string) =>
  new Promise<Answer>((resolve) => {
    let text = ""
    const socket = Net.connect(address)
    const done = (answer: Answer) => {
      socket.destroy()
      resolve(answer)
    }
    const holder = () => done({ alive: true, pid: Option.filter(Option.some(Number.parseInt(text)), (pid) => pid > 0) })
    socket.setTimeout(answerMillis, holder)
    socket.on("data", (chunk) => text += chunk.toString())
    socket.on("end", holder)
    socket.on("error", (cause: NodeJS.ErrnoException) =>
      cause.code === "ECONNREFUSED" || cause.code === "ENOENT" ? done({ alive: false }) : holder())
  })

const inUse = (claim: Claim) =>
  claim._tag === "Failed" && claim.cause instanceof Error && "code" in claim.cause && claim.cause.code === "EADDRINUSE"

/**
 * Takes the lock file of a holder that is gone. Moved aside before it is
 * removed, and asked again: between the question and the move another starter
 * may have put its own there.
 */
const takeOver = async (file: string): Promise<Claim | Answer> => {
  const aside = `${file}.${randomBytes(4).toString("hex")}`
  await Fs.rename(file, aside).catch(() => {})
  const answer = await ask(aside)
  if (answer.alive) {
    await Fs.rename(aside, file).catch(() => {})
    return answer
  }
  await Fs.rm(aside, { force: true })
  const claim = await listen(file)
  return inUse(claim) ? ask(file) : claim
}

const claim = async (address: string, isFile: boolean): Promise<Claim | Answer> => {
  const first = await listen(address)
  if (!inUse(first)) return first
  const answer = await ask(address)
  return answer.alive || !isFile ? { alive: true, pid: answer.alive ? answer.pid : Option.none() } : takeOver(address)
}

const addresses = async (folder: string) => {
  const { dev, ino } = await Fs.stat(folder, { bigint: true })
  const name = `stoa-${createHash("sha256").update(`${dev}:${ino}`).digest("hex").slice(0, 32)}`
  const inside = Path.join(folder, "stoa.lock")
  const file = Buffer.byteLength(inside) <= maxSocketPath ? inside : Path.join(Os.tmpdir(), `${name}.lock`)
  switch (process.platform) {
    case "linux":
      return [{ address: `\0${name}`, isFile: false }, { address: file, isFile: true }]
    case "win32":
      return [{ address: `\\\\.\\pipe\\${name}`, isFile: false }]
    default:
      return [{ address: file, isFile: true }]
  }
}

const release = (server: Net.Server) =>
  Effect.async<void>((resume) => {
    server.close(() => resume(Effect.void))
  })

/** Holds `folder`, which must exist, until the scope closes or the process ends. */
export const acquire = (folder: string): Effect.Effect<void, DataDirLocked | DataDirUnusable, Scope.Scope> =>
  Effect.gen(function*() {
    let held = 0
    let failure: unknown
    for (
      const { address, isFile } of yield* Effect.tryPromise({
        try: () => addresses(folder),
        catch: (cause) => unusable(folder, cause)
      })
    ) {
      const outcome = yield* Effect.promise(() => claim(address, isFile))
      if ("alive" in outcome) {
        return yield* new DataDirLocked({ dataDir: folder, pid: outcome.alive ? outcome.pid : Option.none() })
      }
      if (outcome._tag === "Failed") {
        // Some mounted disks have no sockets, some sandboxes no abstract ones: the other one does.
        failure = outcome.cause
        continue
      }
      held++
      yield* Effect.addFinalizer(() => release(outcome.server))
    }
    if (held === 0) {
      return yield* unusable(folder, failure, "it cannot be locked against a second stoa; choose another --data-dir")
    }
  }).pipe(Effect.uninterruptible, Effect.withSpan("DirectoryLock.acquire"))
