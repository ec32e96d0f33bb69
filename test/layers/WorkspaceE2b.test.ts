/** Workspaces in sandboxes on another machine, on a service for tests. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted, Stream } from "effect"
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { rmSync } from "node:fs"
import { hostname } from "node:os"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import * as E2b from "../../src/layers/Workspace/E2b.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { workspaceContract } from "../contracts/WorkspaceContract.ts"
import { apiKey, fakeService, type Fault } from "../support/e2b/Service.ts"
import { freshOwner } from "../support/fixtures.ts"
import { eventually } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { fresh, isSandboxed, options, put, sh, someOf, temporary, text } from "../support/workspaces.ts"

type Fake = Effect.Effect.Success<typeof fakeService>

const outbound = OutboundGuarded.layer({ hosts: [], loopback: true, isUnbounded: true })

const serviceOf = ({ url }: Pick<Fake, "url">, more: Partial<E2b.ServiceOptions> = {}): E2b.ServiceOptions => ({
  apiKey: Redacted.make(apiKey),
  apiUrl: url,
  domain: "e2b.test",
  sandboxUrl: url,
  template: "base",
  internet: false,
  ...more
})

const layerOf = (service: Pick<Fake, "url">, dir: string, more: Partial<E2b.Options> = {}) =>
  Layer.provide(E2b.layer({ ...options, ...serviceOf(service), dir, ...more }), outbound)

if (isSandboxed) {
  workspaceContract(
    "E2b",
    Layer.unwrapScoped(Effect.zipWith(temporary, fakeService, (dir, service) => layerOf(service, dir))),
    { runs: true }
  )
}

describe.skipIf(!isSandboxed)("A service of sandboxes", () => {
  const onService = <A, E>(
    work: (service: Fake, dir: string) => Effect.Effect<A, E, Workspace>,
    more: Partial<E2b.Options> = {}
  ) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const service = yield* fakeService
      const dir = yield* temporary
      return yield* Effect.provide(work(service, dir), layerOf(service, dir, more))
    })))

  const failing = <A, E extends { readonly code: string; readonly detail: string }, R>(
    { state }: Fake,
    fault: Fault,
    path: string,
    work: Effect.Effect<A, E, R>
  ) =>
    Effect.gen(function*() {
      state.fault = (_, at) => at.includes(path) ? fault : undefined
      const { code, detail } = yield* Effect.flip(work)
      state.fault = undefined
      assert.notInclude(detail, apiKey)
      return `${code}: ${detail}`
    })

  it("that is away, refuses the key or lacks the template is said at the start, and never with the key", async () => {
    const why = (more: (service: Fake) => Partial<E2b.ServiceOptions>) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const service = yield* fakeService
        const { message } = yield* Effect.flip(
          Effect.provide(E2b.probe(serviceOf(service, more(service))), outbound)
        )
        assert.notInclude(message, "e2b_")
        assert.deepStrictEqual(service.sandboxes(), [])
        return message
      })))
    assert.match(await why(() => ({ apiUrl: "http://127.0.0.1:59999" })), /does not answer \(ECONNREFUSED\)/)
    assert.match(await why(() => ({ apiKey: Redacted.make("e2b_other") })), /refuses the key in STOA_E2B_API_KEY/)
    assert.match(await why(() => ({ template: "none" })), /no template 'none'/)
    assert.match(await why(() => ({ apiUrl: "http://10.0.0.1" })), /address_not_allowed/)
    assert.match(
      await why((service) => {
        service.state.fault = (_, path) =>
          path.endsWith("/Start") ? { status: 500, message: `no ${apiKey}` } : undefined
        return {}
      }),
      /says 500/
    )
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const service = yield* fakeService
      yield* Effect.provide(E2b.probe(serviceOf(service)), outbound)
      assert.deepStrictEqual(service.sandboxes(), [])
    })))
  }, patience(30_000))

  it(
    "that fails fails one call with the reason, is asked again where that is safe, and works the next time",
    async () => {
      await onService((service) =>
        Effect.gen(function*() {
          const w = yield* fresh()
          assert.match(
            yield* failing(service, { status: 500, message: `boom ${apiKey}` }, "/sandboxes", put(w, "f", "x")),
            /^sandboxes_unavailable: .*says 500: boom/
          )
          assert.match(
            yield* failing(service, { status: 401, message: `bad ${apiKey}` }, "/sandboxes", put(w, "f", "x")),
            /^sandboxes_refused: .*stoa doctor/
          )
          assert.match(
            yield* failing(service, { status: 429, message: "slow", after: 60 }, "/v2/sandboxes", put(w, "f", "x")),
            /^too_many_sandboxes: /
          )
          assert.deepStrictEqual(service.sandboxes(), [])
          let cuts = 2
          service.state.fault = (_, path) => path === "/v2/sandboxes" && cuts-- > 0 ? "cut" : undefined
          yield* put(w, "f", "kept")
          assert.match(
            yield* failing(
              service,
              { status: 507, message: "not enough disk space available" },
              "/files",
              put(w, "g", "x")
            ),
            /^workspace_full: .*disk of the sandbox/
          )
          assert.match(yield* failing(service, "cut", "/files", text(w, "f")), /^sandboxes_unavailable: /)
          assert.match(yield* failing(service, "cut", "/Start", sh(w, "true")), /^sandboxes_unavailable: /)
          assert.strictEqual(yield* text(w, "f"), "kept")
          assert.strictEqual((yield* sh(w, "cat f")).out, "kept")
          assert.lengthOf(service.sandboxes(), 1)
        }).pipe(Effect.scoped)
      )
    },
    patience(30_000)
  )

  it("whose sandbox sleeps wakes it; one that has ended is told once, and made anew", async () => {
    await onService((service) =>
      Effect.gen(function*() {
        const w = yield* fresh()
        yield* put(w, "f", "kept")
        yield* Effect.promise(() => service.pause(service.sandboxes()[0]!))
        assert.strictEqual(yield* text(w, "f"), "kept")
        yield* Effect.promise(() => service.pause(service.sandboxes()[0]!))
        assert.strictEqual((yield* sh(w, "cat f")).out, "kept")
        const program = yield* w.spawn({ argv: ["sleep", "1000"] })
        yield* Effect.promise(() => service.kill(service.sandboxes()[0]!))
        assert.strictEqual((yield* program.exit).signal, "SIGKILL")
        const { _tag, code } = yield* Effect.flip(text(w, "f"))
        assert.deepStrictEqual([_tag, code], ["Gone", "sandbox_lost"])
        assert.deepStrictEqual((yield* w.list("", 10)).entries, [])
        assert.strictEqual((yield* sh(w, "echo again; exit 4")).code, 4)
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("stays awake while a program runs, sleeps after it, and is found again by another server", async () => {
    const awake = Duration.seconds(1)
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const service = yield* fakeService
      const dir = yield* temporary
      const [owner, of] = [freshOwner(), someOf()]
      yield* Effect.provide(
        Effect.scoped(Effect.gen(function*() {
          const w = yield* fresh(owner, of)
          yield* put(w, "f", "kept")
          assert.strictEqual((yield* sh(w, "sleep 1.8; echo awake")).out, "awake\n")
        })),
        layerOf(service, dir, { awake })
      )
      const [sandbox] = service.sandboxes()
      // What says who somebody is stays here.
      assert.notInclude(JSON.stringify(sandbox!.metadata), owner)
      assert.notInclude(JSON.stringify(sandbox!.metadata), of.agent_id)
      yield* Effect.sleep("1200 millis")
      // All that is left to find it by is what it was marked with.
      const marked = execFileSync("find", [dir, "-name", "sandbox"], { encoding: "utf8" }).trim()
      rmSync(marked)
      yield* Effect.provide(
        Effect.scoped(Effect.gen(function*() {
          const w = yield* fresh(owner, of)
          assert.strictEqual(yield* text(w, "f"), "kept")
          assert.deepStrictEqual(service.sandboxes().map(({ id }) => id), [sandbox!.id])
          assert.include(service.asked, "POST /sandboxes/ID/connect")
        })),
        layerOf(service, dir, { awake })
      )
    })))
  }, patience(30_000))

  it(
    "has no sandbox left of a removed workspace, also where it was away then, and none of others is touched",
    async () => {
      await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const service = yield* fakeService
        const dir = yield* temporary
        service.add({ stoa_place: "f".repeat(32), stoa_workspace: "a".repeat(32) })
        const [owner, of] = [freshOwner(), someOf()]
        const remove = Effect.flatMap(
          Workspace,
          ({ remove }) => Effect.flatMap(Effect.map(fresh(owner, of), ({ id }) => id), (id) => remove(owner, id))
        )
        yield* Effect.provide(
          Effect.scoped(Effect.gen(function*() {
            yield* put(yield* fresh(owner, of), "f", "old")
            yield* remove
            assert.lengthOf(service.sandboxes(), 1)
            yield* put(yield* fresh(owner, of), "f", "old")
            service.state.fault = (method, path) =>
              method === "DELETE" && path !== "" ? { status: 500, message: "no" } : undefined
            yield* remove
            // One that is made again does not get what the removed one had.
            assert.deepStrictEqual((yield* (yield* fresh(owner, of)).list("", 10)).entries, [])
            assert.lengthOf(service.sandboxes(), 3)
            service.state.fault = undefined
          })),
          layerOf(service, dir)
        )
        yield* Effect.provide(
          eventually(
            "sandboxes",
            Effect.sync(() => service.sandboxes().length),
            (found) => found === 2
          ),
          layerOf(service, dir)
        )
        assert.include(service.sandboxes().map(({ metadata }) => metadata.stoa_place), "f".repeat(32))
      })))
    },
    patience(30_000)
  )

  it(
    "whose connection to a program is cut ends the program, and what says nothing for long is ended in time",
    async () => {
      await onService((service) =>
        Effect.gen(function*() {
          const w = yield* fresh()
          const program = yield* w.spawn({
            argv: ["/bin/sh", "-c", "echo begun; while :; do echo x >> ticks; sleep 0.05; done"]
          })
          yield* Stream.runHead(program.stdout)
          service.cut()
          assert.strictEqual((yield* program.exit).signal, "SIGKILL")
          const size = Effect.map(w.stat("ticks"), ({ size }) => size)
          const before = yield* size
          yield* Effect.sleep("300 millis")
          assert.strictEqual(yield* size, before)
          assert.strictEqual((yield* sh(w, "sleep 1000", { timeout: 300 })).ended, "timeout")
          const large = Buffer.alloc(3_000_000, "0123456789")
          yield* put(w, "large", large)
          assert.strictEqual((yield* sh(w, "head -c 2999999 large | tail -c 3; chmod +x large")).out, "678")
          const file = yield* w.open("large")
          assert.strictEqual(Buffer.from(yield* file.read(2_500_000, 5)).toString(), "01234")
          yield* put(w, "large", "changed")
          assert.match((yield* Effect.flip(file.read(0, 5))).detail ?? "", /changed while it was read/)
          assert.strictEqual((yield* sh(w, "test -x large && cat large")).out, "changed")
          yield* sh(w, "mkfifo fifo; ln -s ../.. out; ln -s large link")
          assert.strictEqual((yield* Effect.flip(text(w, "fifo")))._tag, "PathRefused")
          assert.strictEqual(yield* text(w, "link"), "changed")
        }).pipe(Effect.scoped)
      )
    },
    patience(30_000)
  )

  it(
    "that hangs is given up in time, and one that knows only the first version of the list is asked that way",
    async () => {
      await onService((service) =>
        Effect.gen(function*() {
          const owner = freshOwner()
          const w = yield* fresh(owner)
          assert.match(
            yield* failing(service, "hang", "/v2/sandboxes", put(w, "f", "x")),
            /^sandboxes_unavailable: .*no answer in time/
          )
          service.state.fault = (_, path) =>
            path === "/v2/sandboxes" ? { status: 404, message: "not found" } : undefined
          yield* put(w, "f", "kept")
          yield* Effect.promise(() => service.pause(service.sandboxes()[0]!))
          assert.strictEqual(yield* text(w, "f"), "kept")
          assert.lengthOf(service.sandboxes(), 1)
          yield* Effect.flatMap(
            Workspace,
            ({ list, remove }) => Effect.flatMap(list(owner), ([record]) => remove(owner, record!.id))
          )
          assert.deepStrictEqual(service.sandboxes(), [])
        }).pipe(Effect.scoped), { answerIn: Duration.millis(patience(300)) })
    },
    patience(30_000)
  )

  it("in which nothing new can be begun still ends a program that takes too long", async () => {
    await onService((service) =>
      Effect.gen(function*() {
        const w = yield* fresh()
        const program = yield* w.spawn({ argv: ["sleep", "1000"], timeout: 500 })
        service.state.fault = (_, path) => path.endsWith("/Start") ? { status: 500, message: "no" } : undefined
        assert.strictEqual((yield* program.exit).ended, "timeout")
        assert.include(service.asked, "POST /process.Process/SendSignal")
      }).pipe(Effect.scoped)
    )
  }, patience(30_000))

  it("in which a killed server has left a program running runs it no longer when that server is back", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const service = yield* fakeService
      const dir = yield* temporary
      const [owner, of] = [freshOwner(), someOf()]
      const mark = (host: string) => `${createHash("sha256").update(host).digest("hex").slice(0, 32)}_999999_1_x`
      const size = (file: string) =>
        Effect.scoped(Effect.map(Effect.flatMap(fresh(owner, of), (w) => w.stat(file)), ({ size }) => size))
      yield* Effect.provide(
        Effect.scoped(Effect.flatMap(fresh(owner, of), (w) =>
          sh(
            w,
            [hostname(), "elsewhere"].map((host, i) =>
              `STOA_WORKSPACE_PROCESS=${
                mark(host)
              } setsid sh -c 'while :; do echo x >> t${i}; sleep 0.05; done' >/dev/null 2>&1 &`
            ).join("\n") + "\nsleep 0.2"
          ))),
        layerOf(service, dir)
      )
      yield* Effect.provide(
        Effect.gen(function*() {
          const before = [yield* size("t0"), yield* size("t1")]
          yield* Effect.sleep("300 millis")
          assert.strictEqual(yield* size("t0"), before[0])
          // Another machine's server may be there.
          assert.isAbove(yield* size("t1"), before[1]!)
        }),
        layerOf(service, dir)
      )
    })))
  }, patience(30_000))
})
