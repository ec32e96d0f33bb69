/** A sandbox of the fake service: a folder that is its home, and a bubblewrap sandbox in which its programs run. */
import { type ChildProcess, spawn } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, rmSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { dirname, join } from "node:path"
import { isRoot, system, words } from "../bubblewrap.ts"

export interface Fake {
  readonly id: string
  readonly token: string
  readonly metadata: Readonly<Record<string, string>>
  readonly template: string
  readonly startedAt: string
  readonly dir: string
  readonly home: string
  state: "running" | "paused"
  until: number
  autoPause: boolean
  agent: Promise<ChildProcess> | undefined
  readonly programs: Map<number, Socket>
}

export const make = (
  dir: string,
  of: Pick<Fake, "id" | "token" | "metadata" | "template" | "until" | "autoPause">
): Fake => {
  const home = join(dir, "home")
  mkdirSync(home, { recursive: true })
  mkdirSync(join(dir, "run"))
  chmodSync(dir, 0o711)
  return {
    ...of,
    dir,
    home,
    startedAt: new Date().toISOString(),
    state: "running",
    agent: undefined,
    programs: new Map()
  }
}

/** All in the home are the user's, who is not the one of the tests where those are root's. */
export const own = (path: string) => isRoot ? chownSync(path, 1000, 1000) : undefined

const started = ({ dir, home }: Fake) =>
  new Promise<ChildProcess>((resolve, reject) => {
    own(home)
    const child = spawn("bwrap", [
      "--die-with-parent",
      "--unshare-pid",
      "--as-pid-1",
      ...isRoot ? ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] : ["--unshare-user"],
      ...system,
      ...words(
        "--ro-bind /usr /usr --ro-bind /etc /etc --proc /proc --dev /dev --tmpfs /tmp --chmod 1777 /tmp --dir /home --chmod 0755 /home"
      ),
      "--bind",
      join(dir, "run"),
      "/run/agent",
      "--ro-bind",
      dirname(process.execPath),
      "/run/node",
      "--ro-bind",
      import.meta.dirname,
      "/run/code",
      "--bind",
      home,
      ...words("/home/user --remount-ro / --chdir / /run/node/node /run/code/agent.mjs")
    ], { stdio: ["pipe", "pipe", "pipe"] })
    let said = ""
    child.stdin.on("error", () => {})
    child.stderr.on("data", (bytes: Buffer) => said += bytes.toString())
    child.stdout.once("data", () => resolve(child))
    child.once("exit", () => reject(new Error(said)))
  })

export interface Begun {
  readonly socket: Socket
  /** Each piece of what it prints, its number, and how it ended. */
  readonly on: (tell: (kind: "stdout" | "stderr" | "pid" | "end" | "failed", bytes: Buffer) => void) => void
}

const kinds = [undefined, "stdout", "stderr", "pid", "end", "failed"] as const

export const run = async (sandbox: Fake, program: object): Promise<Begun> => {
  await (sandbox.agent ??= started(sandbox))
  const socket = connect({ path: join(sandbox.dir, "run", "socket"), allowHalfOpen: true })
  socket.on("error", () => {})
  socket.write(`${JSON.stringify({ ...program, ...isRoot && { uid: 1000 } })}\n`)
  return {
    socket,
    on: (tell) => {
      let held: Buffer = Buffer.alloc(0)
      socket.on("data", (bytes: Buffer) => {
        held = Buffer.concat([held, bytes])
        while (held.length >= 5) {
          const length = held.readUInt32BE(1)
          if (held.length < 5 + length) return
          tell(kinds[held[0]!]!, held.subarray(5, 5 + length))
          held = held.subarray(5 + length)
        }
      })
    }
  }
}

/** Ends what runs; a real one that sleeps keeps it, but nobody hears it any more. */
export const stop = async (sandbox: Fake) => {
  const { agent } = sandbox
  sandbox.agent = undefined
  for (const socket of sandbox.programs.values()) socket.destroy()
  sandbox.programs.clear()
  const child = await agent?.catch(() => undefined)
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    await new Promise<void>((resolve) => {
      child.once("exit", () => resolve())
      child.kill("SIGKILL")
    })
  }
  rmSync(join(sandbox.dir, "run", "socket"), { force: true })
}

export const destroy = async (sandbox: Fake) => {
  await stop(sandbox)
  rmSync(sandbox.dir, { recursive: true, force: true })
}
