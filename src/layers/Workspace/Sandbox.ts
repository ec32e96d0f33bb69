/**
 * The sandbox that programs of workspaces run in: bubblewrap with namespaces of their own for
 * users, processes, IPC, names, network and control groups. Of this machine it sees the
 * system's programs and libraries, read-only, and of the data one workspace.
 */
import { Data, Duration, Effect } from "effect"
import { spawn } from "node:child_process"
import { existsSync, lstatSync, promises as fs, readFileSync, readlinkSync } from "node:fs"
import { release } from "node:os"
import { dirname, join } from "node:path"
import type { Writable } from "node:stream"
import { pathOf, type WorkspaceLimits } from "../../domain/Workspace.ts"
import type { Names } from "./Backend.ts"
import { codeOf } from "./Confined.ts"
import type { Launch } from "./Processes.ts"
import { threadsOfUser } from "./ProcessTree.ts"

/** Where a workspace is seen. */
export const root = "/workspace"

/** The only user inside. */
const uid = 1000

/** Bytes of the folders in memory that a program may write to. */
const tmpBytes = 256 * 1024 * 1024
const shmBytes = 64 * 1024 * 1024

/** Most files that one program may have open. */
const maxOpen = 1024

/** Longest time for the trial. */
const trialTimeout = Duration.seconds(10)

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** Folders of programs and libraries; many systems have links to `/usr` in their places. */
const system = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]

/** What programs need to know of a system, and nothing about its users. */
const etc = [
  "ld.so.cache",
  "ld.so.conf",
  "ld.so.conf.d",
  "alternatives",
  "ssl/certs",
  "ca-certificates",
  "localtime",
  "mime.types",
  "magic"
]

/** Files that are made for the sandbox, because those of this machine name its users and hosts. */
const made: Readonly<Record<string, string>> = {
  passwd: `stoa:x:${uid}:${uid}::${root}:/bin/sh\n`,
  group: `stoa:x:${uid}:\n`,
  hosts: "127.0.0.1 localhost\n::1 localhost\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n"
}

const systemFolders: ReadonlyArray<string> = system.flatMap((folder) => {
  try {
    return lstatSync(folder).isSymbolicLink()
      ? ["--symlink", readlinkSync(folder), folder]
      : ["--ro-bind", folder, folder]
  } catch {
    return []
  }
})

const bash = ["/bin/bash", "/usr/bin/bash"].find((file) => existsSync(file))

/** The shell of the sandbox. */
export const shell: string = bash ?? "/bin/sh"

/**
 * Closes what was left open by whoever began the server, sets the limits, and becomes the
 * program. Other shells than bash know only descriptors of one digit.
 */
const wrapper = (limits: WorkspaceLimits, processes: number) =>
  [
    `for f in /proc/self/fd/*; do f=\${f##*/}; case $f in [0-2]) ;; ${
      bash === undefined ? "?" : "*"
    }) eval "exec $f>&-" ;; esac; done`,
    "ulimit -c 0",
    `ulimit -t ${limits.cpuSeconds}`,
    `ulimit -f ${Math.ceil(limits.bytes / (bash === undefined ? 512 : 1024))}`,
    `ulimit -d ${Math.ceil(limits.memory / 1024)}`,
    `ulimit -n ${maxOpen}`,
    // Shells have one or the other option. Without this limit nothing is run.
    `ulimit -u ${processes} 2>/dev/null || ulimit -p ${processes} || exit 126`,
    "exec \"$@\""
  ].join("\n")

/** From this version on, Linux counts the processes of a user for each user namespace. Before, it counts all of that user's. */
const countsApart = (() => {
  const [major = 0, minor = 0] = release().split(".").map(Number)
  return major > 5 || (major === 5 && minor >= 14)
})()

export const environment = (home: string): Readonly<Record<string, string>> => ({
  PATH: path,
  HOME: home,
  USER: "stoa",
  LOGNAME: "stoa",
  LANG: "C.UTF-8",
  TERM: "dumb",
  TMPDIR: "/tmp"
})

/** Words that begin a program within its limits, in a sandbox or without one. */
export const limited = (
  limits: WorkspaceLimits,
  argv: ReadonlyArray<string>,
  /** Its processes are counted apart from those of the server's user. */
  isApart: boolean
): ReadonlyArray<string> => [
  "-c",
  wrapper(limits, isApart ? limits.processes : limits.processes + threadsOfUser()),
  "stoa",
  ...argv
]

/**
 * The user that a workspace's programs are for the kernel, when the server runs as root: limits of processes do not hold
 * for root, and some files of the kernel are root's even without any right. Undefined when the server is a user itself.
 */
export const userOf = (key: string): number | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const hash = Number.parseInt(key.slice(0, 7), 16)
  return hasManyUsers ? 0x6000_0000 + hash : 20_000 + hash % 40_000
}

/** In some containers there are only 65,536 users. */
const hasManyUsers = (() => {
  try {
    return Number(readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/)[2]) > 0x7000_0000
  } catch {
    return false
  }
})()

/** Where a server that runs as root puts what the user below may not reach by its path. */
const lent = { files: "/tmp/files", etc: "/tmp/etc" }

/** As root: words that make the folders reachable for the user, and begin another bubblewrap as that user. */
const asUser = (user: number, files: string, etc: string): ReadonlyArray<string> =>
  [
    ["--dev-bind", "/", "/", "--tmpfs", "/tmp", "--bind", files, lent.files, "--ro-bind", etc, lent.etc],
    // The processes have a namespace that ends as a whole: a dying parent may not send a signal to another user's child.
    ["--unshare-pid"],
    ["--die-with-parent", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--"],
    ["setpriv", "--reuid", String(user), "--regid", String(user), "--clear-groups", "bwrap"]
  ].flat()

export interface Inside {
  /** The kernel's user of its programs, when it is not the server's own. */
  readonly user: number | undefined
  /** The workspace's folder on this machine, and the folder with the files made for `/etc`. */
  readonly files: string
  readonly etc: string
  readonly cwd: Names
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly limits: WorkspaceLimits
}

/** How a program is begun in the sandbox. bubblewrap reads what it is told from a pipe: its words could be read inside. */
export const launchOf = ({ argv, cwd, env, limits, user, ...host }: Inside): Launch => {
  const { etc: etcDir, files } = user === undefined ? host : lent
  const words = [
    ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"],
    ["--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"],
    ["--uid", String(uid), "--gid", String(uid), "--hostname", "stoa"],
    ["--ro-bind", "/usr", "/usr", ...systemFolders],
    etc.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    Object.keys(made).flatMap((name) => ["--ro-bind", join(etcDir, name), `/etc/${name}`]),
    // Some of its files could change the kernel's settings.
    ["--proc", "/proc", "--remount-ro", "/proc"],
    ["--dev", "/dev", "--size", String(shmBytes), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"],
    ["--size", String(tmpBytes), "--tmpfs", "/tmp", "--symlink", "../tmp", "/var/tmp"],
    ["--bind", files, root, "--remount-ro", "/", "--chdir", pathOf(root, cwd)],
    Object.entries({ ...environment(root), ...env }).flatMap(([name, value]) => ["--setenv", name, value])
  ].flat()
  const inner = ["--args", "3", shell, ...limited(limits, argv, user !== undefined || countsApart)]
  return {
    file: "bwrap",
    args: user === undefined ? inner : [...asUser(user, host.files, host.etc), ...inner],
    feed: words.map((word) => `${word}\0`).join(""),
    env: { PATH: path }
  }
}

/** Makes the files for `/etc`. */
export const makeEtc = (dir: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const folder = join(dir, "etc")
    await fs.mkdir(folder, { recursive: true, mode: 0o755 })
    await Promise.all(
      Object.entries(made).map(([name, text]) => fs.writeFile(join(folder, name), text, { mode: 0o644 }))
    )
    return folder
  })

/** The sandbox does not work here. `message` says why, in a sentence. */
export class NoSandbox extends Data.TaggedError("NoSandbox")<{ readonly message: string }> {}

/** Most of bubblewrap's own words that are told, in characters. */
const maxWords = 300

/** Words in the trial's answer when it came to its end. */
const worked = "inside"

/** Tries for real what every program needs: the sandbox, the user and the limits. */
const trialScript = `[ "$(ulimit -c)" = 0 ] && touch /workspace/trial && rm /workspace/trial && echo ${worked}`

/** Runs a program in the sandbox and looks whether it came to its end there. `etc` is what `makeEtc` made. */
export const trial = (etc: string, limits: WorkspaceLimits): Effect.Effect<void, NoSandbox> =>
  Effect.acquireUseRelease(
    Effect.promise(async () => {
      const files = await fs.mkdtemp(join(dirname(etc), "trial-"))
      const user = userOf("trial00".replace(/[^0-9a-f]/g, "0"))
      if (user !== undefined) await fs.chown(files, user, user).catch(() => {})
      return { files, user }
    }),
    ({ files, user }) =>
      tried(launchOf({ files, etc, cwd: [], argv: ["/bin/sh", "-c", trialScript], env: {}, limits, user })),
    ({ files }) => Effect.promise(() => fs.rm(files, { recursive: true, force: true }))
  )

const no = (message: string) => new NoSandbox({ message })

const tried = (launch: Launch): Effect.Effect<void, NoSandbox> =>
  Effect.async<void, NoSandbox>((resume) => {
    if (process.platform !== "linux") return resume(no(`bubblewrap needs Linux, and this is ${process.platform}`))
    const child = spawn(launch.file, [...launch.args], {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...launch.env }
    })
    let said = ""
    let words = ""
    child.stdout!.on("data", (chunk: Buffer) => said += chunk.toString())
    child.stderr!.on("data", (chunk: Buffer) => words += chunk.toString())
    child.on("error", (error) =>
      resume(
        no(codeOf(error) === "ENOENT" ? "bubblewrap (bwrap) is not installed" : "bubblewrap could not be started")
      ))
    child.on("close", () =>
      resume(
        said.trim() === worked
          ? Effect.void
          : no(`bubblewrap does not work here: ${words.trim().split("\n", 1)[0]!.slice(0, maxWords)}`)
      ))
    const third = child.stdio[3] as Writable
    third.on("error", () => {})
    third.end(launch.feed ?? "")
    return Effect.sync(() => child.kill("SIGKILL"))
  }).pipe(
    Effect.timeoutFail({ duration: trialTimeout, onTimeout: () => no("bubblewrap did not answer in time") })
  )
