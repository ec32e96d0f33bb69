/** Workspaces whose programs run in containers, on an engine for tests. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Stream } from "effect"
import { createHash } from "node:crypto"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { hostname, tmpdir } from "node:os"
import { join } from "node:path"
import * as Docker from "../../src/layers/Workspace/Docker.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { workspaceContract } from "../contracts/WorkspaceContract.ts"
import { fakeEngine, type Fault } from "../support/docker/Engine.ts"
import { freshOwner } from "../support/fixtures.ts"
import { eventually } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { fresh, isSandboxed, options, sh, someOf, temporary } from "../support/workspaces.ts"

if (isSandboxed) {
  workspaceContract(
    "Docker",
    Layer.unwrapScoped(
      Effect.zipWith(
        temporary,
        fakeEngine,
        (dir, { address, image }) => Docker.layer({ ...options, dir, address, image, network: "none" })
      )
    ),
    { runs: true }
  )
}

describe.skipIf(!isSandboxed)("A container engine", () => {
  type Fake = Effect.Effect.Success<typeof fakeEngine>

  const optionsOf = (dir: string, { address, image }: Fake, more: Partial<Docker.Options> = {}) => ({
    ...options,
    dir,
    address,
    image,
    network: "none",
    ...more
  })

  const onEngine = <A, E>(
    work: (engine: Fake, dir: string) => Effect.Effect<A, E, Workspace>,
    more: Partial<Docker.Options> = {},
    before: (engine: Fake, dir: string) => Effect.Effect<unknown> = () => Effect.void
  ) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const engine = yield* fakeEngine
      const dir = yield* temporary
      yield* before(engine, dir)
      return yield* Effect.provide(work(engine, dir), Docker.layer(optionsOf(dir, engine, more)))
    })))

  const why = (
    change: (engine: Fake) => Partial<Docker.Options> | void
  ): Promise<string> =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const engine = yield* fakeEngine
      const dir = yield* temporary
      const { message } = yield* Effect.flip(Docker.probe(optionsOf(dir, engine, change(engine) ?? {})))
      assert.deepStrictEqual(engine.containers(), [])
      assert.deepStrictEqual(readdirSync(dir).filter((name) => name.startsWith("trial")), [])
      return message
    })))

  it("that is away, lacks the image or a limit, or sees other folders is said at the start", async () => {
    assert.match(
      await why(() => ({ address: "unix:///nowhere.sock" })),
      /at unix:\/\/\/nowhere\.sock does not answer \(ENOENT, there is no such socket: is the engine running\?\)/
    )
    assert.match(
      await why(() => ({ address: "tcp://127.0.0.1:1" })),
      /does not answer \(ECONNREFUSED, nobody listens there/
    )
    assert.match(await why(() => ({ image: "none:such" })), /no image 'none:such': docker pull none:such/)
    assert.match(
      await why((engine) => {
        engine.state.info = { NCPU: 2, MemoryLimit: false }
      }),
      /cannot limit memory/
    )
    assert.match(
      await why((engine) => {
        engine.state.fault = (_, path) => path.endsWith("/start") ? { status: 500, message: "no runtime" } : undefined
      }),
      /says 500: no runtime/
    )
    const elsewhere = mkdtempSync(join(tmpdir(), "stoa-elsewhere-"))
    try {
      assert.match(await why(() => ({ engineDir: elsewhere })), /bind source path does not exist/)
    } finally {
      rmSync(elsewhere, { recursive: true })
    }
  }, patience(30_000))

  it("that fails later fails one call, and the next one works", async () => {
    await onEngine((engine) =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const failing = (fault: Fault, path: string) =>
          Effect.gen(function*() {
            engine.state.fault = (_, at) => at.includes(path) ? fault : undefined
            const error = yield* Effect.flip(sh(w, "true"))
            engine.state.fault = undefined
            return `${error._tag}: ${error.detail}`
          })
        assert.match(
          yield* failing({ status: 500, message: "write: no space left on device" }, "create"),
          /^WorkspaceFull: .*disk/
        )
        assert.match(yield* failing("cut", "create"), /^NoProcesses: .*does not answer/)
        assert.match(yield* failing("open", "create"), /^NoProcesses: .*does not answer/)
        engine.say(
          "{\"Action\":{\"toString\":1},\"Actor\":{\"ID\":{\"toString\":1},\"Attributes\":{\"exitCode\":{\"valueOf\":1}}}}\nnull\n[]\n{"
        )
        assert.match(
          yield* failing({ status: 404, message: "No such image: x" }, "create"),
          /^NoProcesses: .*No such image/
        )
        assert.strictEqual((yield* sh(w, "echo ok")).out, "ok\n")
        assert.match(yield* failing({ status: 500, message: "boom" }, "/exec"), /^NoProcesses: .*boom/)
        engine.state.tellsEvents = false
        assert.deepInclude(yield* sh(w, "echo again; exit 4"), { out: "again\n", code: 4 })
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("whose container is killed, or whose stream is cut, ends the program and not the workspace", async () => {
    await onEngine((engine) =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const begun = (script: string) =>
          Effect.gen(function*() {
            const program = yield* w.spawn({ argv: ["/bin/sh", "-c", `echo begun; ${script}`] })
            yield* Stream.runHead(program.stdout)
            return program
          })
        const killed = yield* begun("sleep 1000")
        for (const { id } of engine.containers()) engine.kill(id)
        assert.deepStrictEqual(yield* killed.exit, { code: null, signal: "SIGKILL", ended: undefined })
        const cut = yield* begun("while :; do echo x >> ticks; sleep 0.05; done")
        engine.cut()
        assert.strictEqual((yield* cut.exit).signal, "SIGKILL")
        const size = Effect.map(w.stat("ticks"), ({ size }) => size)
        const before = yield* size
        yield* Effect.sleep("300 millis")
        assert.strictEqual(yield* size, before)
        const short = yield* begun("sleep 0.3; kill -9 $$")
        engine.oom(engine.containers()[0]!.id)
        assert.strictEqual((yield* short.exit).ended, "memory")
        assert.strictEqual((yield* sh(w, "cat /proc/self/environ | tr '\\0' '\\n' | grep -c ^HOME=")).out, "1\n")
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("ends a program beside another of the same workspace, which goes on", async () => {
    await onEngine((engine) =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const other = yield* w.spawn({ argv: ["/bin/cat"] })
        assert.strictEqual(
          (yield* sh(w, "(setsid sleep 1000 >/dev/null 2>&1 &) ; sleep 1000", { timeout: 300 })).ended,
          "timeout"
        )
        yield* other.write(Buffer.from("still here"))
        yield* other.endInput
        const heard = yield* Stream.runCollect(other.stdout)
        assert.strictEqual(Buffer.concat([...heard]).toString(), "still here")
        assert.strictEqual((yield* other.exit).code, 0)
        assert.lengthOf(engine.containers(), 1)
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("leaves no container of a workspace that is removed while it is made, nor of one that is made again", async () => {
    await onEngine((engine) =>
      Effect.gen(function*() {
        const owner = freshOwner()
        const of = someOf()
        const w = yield* fresh(owner, of)
        let go = () => {}
        const gate = new Promise<undefined>((resolve) => go = () => resolve(undefined))
        const isMaking = new Promise<void>((resolve) => {
          engine.state.fault = (_, path) => {
            if (!path.endsWith("/start")) return undefined
            engine.state.fault = undefined
            resolve()
            return gate
          }
        })
        const first = yield* Effect.fork(Effect.flip(sh(w, "true")))
        yield* Effect.promise(() => isMaking)
        yield* Effect.flatMap(Workspace, ({ remove }) => remove(owner, w.id))
        yield* Effect.scoped(Effect.flatMap(fresh(owner, of), (again) => sh(again, "true")))
        go()
        assert.strictEqual((yield* Fiber.join(first))._tag, "Gone")
        yield* eventually("containers", Effect.sync(() => engine.containers().length), (count) => count === 0)
      }).pipe(Effect.scoped), { idle: Duration.millis(300) })
  }, patience(30_000))

  it(
    "has no container left when nobody uses it, when a workspace is removed, when the server ends, and from one that was killed",
    async () => {
      const left = (engine: Fake, count: number) =>
        eventually("containers", Effect.sync(() => engine.containers().length), (found) => found === count)
      await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const engine = yield* fakeEngine
        const dir = yield* temporary
        // What a server of this machine has left that was killed, and what one of another machine is using.
        const place = createHash("sha256").update(dir).digest("hex").slice(0, 16)
        for (const host of [hostname(), "elsewhere"]) {
          engine.add({ "stoa.place": place, "stoa.host": host, "stoa.process": "999999:1" })
        }
        yield* Effect.provide(
          Effect.gen(function*() {
            yield* left(engine, 1)
            const owner = freshOwner()
            yield* Effect.scoped(Effect.gen(function*() {
              const w = yield* fresh(owner)
              yield* sh(w, "true")
              yield* left(engine, 2)
              yield* Effect.flatMap(Workspace, ({ remove }) => remove(owner, w.id))
              yield* left(engine, 1)
            }))
            const w = yield* fresh()
            yield* sh(w, "true")
            yield* left(engine, 1)
            yield* w.spawn({ argv: ["sleep", "1000"] })
            yield* Effect.sleep("300 millis")
            assert.lengthOf(engine.containers(), 2)
          }).pipe(Effect.scoped, Effect.zipRight(Effect.scoped(Effect.flatMap(fresh(), (w) => sh(w, "true"))))),
          Docker.layer(optionsOf(dir, engine, { idle: Duration.millis(100) }))
        )
        assert.deepStrictEqual(engine.containers().map(({ made }) => made.Labels["stoa.host"]), ["elsewhere"])
      })))
    },
    patience(30_000)
  )
})
