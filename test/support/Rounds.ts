/** Starts programs in workspaces and ends them at any moment, again and again, and looks for what is left. */
import { Effect } from "effect"
import { randomInt } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { Workspace } from "../../src/services/Workspace.ts"
import { freshOwner } from "./fixtures.ts"
import { fresh, put } from "./workspaces.ts"

/** Processes of this machine whose words have this in them, in whatever namespace they are. */
const marked = (own: string): ReadonlyArray<string> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")
      return words.includes(own) ? [words] : []
    } catch {
      return []
    }
  })

const open = () => readdirSync("/proc/self/fd").length
const mounts = () => readFileSync("/proc/self/mountinfo", "utf8").split("\n").length

/** `N` is a number of seconds that nothing else waits for. */
const shells = [
  "sleep N",
  "(sleep N &) ; (setsid sleep N >/dev/null 2>&1 &) ; sleep N",
  "trap '' TERM INT HUP; while :; do sleep N; done",
  "yes N",
  "for i in 1 2 3 4 5; do sh -c 'sleep N' & done; exit 0",
  "exec 1>&- 2>&-; sleep N"
]

const request = `${
  JSON.stringify({
    jsonrpc: "2.0",
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "rounds", version: "1" } }
  })
}\n`

/** Every fourth program is an MCP server. What is left: processes, open descriptors more than before, mounts more than before. */
export const rounds = Effect.fnUntraced(function*(count: number) {
  const own = `98${randomInt(1e6, 1e7)}`
  const before = { open: open(), mounts: mounts() }
  const owner = freshOwner()
  let began = 0
  /** Most that were found at once: who looks and finds none ever is blind. */
  let seen = 0
  const round = (n: number) =>
    Effect.scoped(Effect.gen(function*() {
      const workspace = yield* fresh(owner)
      const isServer = n % 4 === 3
      if (isServer) {
        for (const file of ["behaviour.mjs", "program.mjs"]) {
          yield* put(workspace, file, readFileSync(join(import.meta.dirname, "mcp", file)))
        }
      }
      const program = yield* workspace.spawn({
        argv: isServer
          ? ["node", "program.mjs", "good", "/dev/null", own]
          : ["/bin/sh", "-c", shells[n % shells.length]!.replaceAll("N", own)],
        ...(n % 5 === 0 && { timeout: 20 })
      })
      began++
      if (isServer) yield* program.write(Buffer.from(request))
      yield* Effect.sleep((n * 37) % (isServer ? 150 : 40))
      if (n % 8 === 5) seen = Math.max(seen, marked(own).length)
      // Some end with their workspace.
      if (n % 7 === 0) yield* Effect.flatMap(Workspace, ({ remove }) => remove(owner, workspace.id))
    }))
  yield* Effect.forEach(Array.from({ length: count }, (_, n) => n), round, { concurrency: 4, discard: true })
  yield* Effect.flatMap(
    Workspace,
    ({ list, remove }) =>
      Effect.flatMap(list(owner), (all) => Effect.forEach(all, ({ id }) => remove(owner, id), { discard: true }))
  )
  // The kernel takes them away a moment after they were killed.
  for (let n = 0; n < 100 && marked(own).length > 0; n++) yield* Effect.sleep("50 millis")
  yield* Effect.sleep("200 millis")
  return {
    began,
    seen,
    processes: marked(own),
    open: Math.max(0, open() - before.open),
    mounts: Math.max(0, mounts() - before.mounts)
  }
})
