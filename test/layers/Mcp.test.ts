/** MCP servers, good ones and hostile ones, as programs and at addresses. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Schedule, type Scope } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { SessionId, UserId } from "../../src/domain/Ids.ts"
import type { McpLibraryDraft, McpServerDraft } from "../../src/domain/McpServer.ts"
import { Mcp } from "../../src/services/Mcp.ts"
import { Storage } from "../../src/services/Storage.ts"
import type { ToolPart } from "../../src/services/Toolbox.ts"
import { Workspace, type WorkspaceOf } from "../../src/services/Workspace.ts"
import { freshOwner } from "../support/fixtures.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { addressOf, host, programOf, transports } from "../support/mcp/Servers.ts"
import { patience } from "../support/Patience.ts"
import { longestStretch } from "../support/Stretch.ts"
import { someOf, temporary } from "../support/workspaces.ts"

/** One workspace of one owner, and ways to talk to its servers. */
const place = (owner: UserId = freshOwner(), of: WorkspaceOf = someOf()) =>
  Effect.map(Mcp, (mcp) => {
    const call = (name: string, input: Record<string, unknown> = {}) =>
      Effect.suspend(() => {
        const parts: Array<ToolPart> = []
        return Effect.map(
          Effect.either(mcp.call(owner, of, name, input, (part) => parts.push(part))),
          (ended) => ({
            state: ended._tag === "Right" ? ended.right : ended.left.problem,
            text: ended._tag === "Right"
              ? parts.flatMap((part) => part.type === "text" ? [part.delta] : []).join("")
              : ended.left.message,
            parts
          })
        )
      })
    return {
      owner,
      of,
      call,
      add: (draft: McpServerDraft) => mcp.add({ user_id: owner, isAdmin: true }, of, draft),
      tools: Effect.map(mcp.tools(owner, of), (tools) => tools.map(({ name }) => name)),
      servers: mcp.servers(owner, of),
      refresh: (name: string) => mcp.refresh(owner, of, name),
      approve: (name: string, digests: Record<string, string>) => mcp.approve(owner, of, name, digests),
      remove: (name: string) => mcp.remove(owner, of, name)
    }
  })

const libraryDraft = (draft: McpServerDraft, more: Partial<McpLibraryDraft> = {}): McpLibraryDraft => ({
  ...draft,
  enabled: true,
  shared: false,
  display_name: "",
  description: "",
  tags: [],
  author: null,
  icon_url: null,
  url: null,
  version: null,
  ...more
})

/** Processes that have this among their arguments. */
const runningWith = (mark: string): number =>
  readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark)
    } catch {
      return false
    }
  }).length

const live = (
  title: string,
  test: () => Effect.Effect<void, unknown, Mcp | Storage | Workspace | Scope.Scope>
) => it.scopedLive(title, () => Effect.provide(test(), host), patience(60_000))

for (const [how, serverIn] of Object.entries(transports)) {
  describe(`A server ${how}`, () => {
    live(
      "lends its tools under names of its own, and answers with texts, pictures and resources",
      () =>
        Effect.gen(function*() {
          const { add, call, tools } = yield* place()
          yield* add(yield* serverIn("test", "good"))
          assert.include(yield* tools, "mcp__test__echo")
          assert.deepInclude(yield* call("mcp__test__echo", { text: "hello" }), { state: "success", text: "hello" })
          const picture = yield* call("mcp__test__picture")
          assert.deepInclude(picture.parts[0], { type: "data", media_type: "image/png" })
          assert.deepInclude(yield* call("mcp__test__resource"), {
            text: "[Resource file:///a.txt]\ninside\n[Resource file:///b.txt: b]"
          })
          assert.deepInclude(yield* call("mcp__test__structured"), { text: "{\"a\":1}" })
          assert.deepInclude(yield* call("mcp__test__fails"), { state: "error", text: "It did not work." })
          assert.deepInclude(yield* call("mcp__test__throws"), { state: "protocol" })
          assert.deepInclude(yield* call("mcp__test__none"), { state: undefined })
        })
    )

    live("may take longer than its time while it tells that it gets on", () =>
      Effect.gen(function*() {
        const { add, call } = yield* place()
        yield* add(yield* serverIn("test", "good", { execution_timeout: 1 }))
        assert.deepInclude(yield* call("mcp__test__progress"), { state: "success", text: "arrived" })
      }))

    for (
      const [tool, state] of [
        ["garbage", undefined],
        ["flood", undefined],
        ["flood_lines", undefined],
        ["deep", undefined],
        ["wide", undefined],
        ["dies", "connection"],
        ["hang", "timeout"],
        ["late", "timeout"],
        ["twice", "success"],
        ["notes", "success"]
      ] as const
    ) {
      live(
        `hurts only its own call with ${tool}: the next one works, and other servers notice nothing`,
        () =>
          Effect.gen(function*() {
            const { add, call, refresh } = yield* place()
            yield* add(yield* serverIn("bad", "good", { execution_timeout: 2 }))
            yield* add(yield* serverIn("other", "good"))
            const [bad, other] = yield* Effect.all([
              call(`mcp__bad__${tool}`),
              Effect.delay(call("mcp__other__echo", { text: "still here" }), Duration.millis(300))
            ], { concurrency: 2 })
            if (state === undefined) assert.notStrictEqual(bad.state, "success")
            else assert.strictEqual(bad.state, state)
            assert.deepInclude(other, { state: "success", text: "still here" })
            // After an end there is a pause, which a person can cut short.
            yield* refresh("bad")
            assert.deepInclude(yield* call("mcp__bad__echo", { text: "again" }), { state: "success", text: "again" })
          })
      )
    }

    for (const mode of ["exits", "hangs", "garbage", "floods"]) {
      live(`that ${mode} when it begins is not added, and says why in a sentence`, () =>
        Effect.gen(function*() {
          const { add, servers } = yield* place()
          const failure = yield* Effect.flip(add(yield* serverIn("bad", mode)))
          assert.strictEqual(failure._tag, "McpFailed")
          assert.match("message" in failure ? failure.message : "", /^The server/)
          assert.deepStrictEqual(yield* servers, [])
        }))
    }

    live("has no more tools than a server may have, and none that no model takes", () =>
      Effect.gen(function*() {
        for (const mode of ["many", "endless", "strange"]) {
          const { add, servers, tools } = yield* place()
          yield* add(yield* serverIn("test", mode))
          const [server] = yield* servers
          if (mode !== "strange") assert.strictEqual(server?.tools.length, 128)
          else assert.deepStrictEqual(server?.tools.map(({ name }) => name), ["wordy", "bl anks & more", "echo"])
          for (const name of yield* tools) assert.match(name, /^[A-Za-z0-9_-]{1,64}$/)
        }
      }))

    live("that changes a tool has it disabled until a person approves what was shown", () =>
      Effect.gen(function*() {
        const { add, approve, call, refresh, servers, tools } = yield* place()
        yield* add(yield* serverIn("test", "good"))
        assert.deepInclude(yield* call("mcp__test__morph"), { state: "success" })
        assert.deepInclude(yield* call("mcp__test__echo", { text: "x" }), { state: "changed" })
        assert.notInclude(yield* tools, "mcp__test__echo")
        assert.include(yield* tools, "mcp__test__picture")
        const { changes } = yield* refresh("test").pipe(Effect.zipRight(servers), Effect.map(([server]) => server!))
        // Connecting a program anew has undone its change.
        if (how === "as a program") return assert.deepStrictEqual(changes, [])
        const [change] = changes
        assert.deepInclude(change, { name: "echo", change: "changed" })
        assert.include(change?.before?.description, "again.")
        assert.include(change?.after?.description, "sends a copy")
        yield* approve("test", { echo: change!.before!.digest })
        assert.notInclude(yield* tools, "mcp__test__echo")
        yield* approve("test", { echo: change!.after!.digest })
        assert.include(yield* tools, "mcp__test__echo")
        assert.deepInclude(yield* call("mcp__test__echo", { text: "x" }), { state: "success", text: "x" })
      }))

    live("is told when nobody waits for a call any more, and serves the next one", () =>
      Effect.gen(function*() {
        const { add, call } = yield* place()
        yield* add(yield* serverIn("test", "good"))
        const waiting = yield* Effect.fork(call("mcp__test__hang"))
        yield* Effect.sleep("300 millis")
        assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(waiting)))
        assert.deepInclude(yield* call("mcp__test__echo", { text: "next" }), { text: "next" })
      }))
  })
}

describe("What a server says", () => {
  live("never holds up everybody else for long, however much it is", () =>
    Effect.gen(function*() {
      const { add, call, refresh } = yield* place()
      yield* add(programOf("bad", [], null, { execution_timeout: 5 }))
      for (const tool of ["large", "wide", "deep", "flood", "flood_lines", "notes"]) {
        yield* refresh("bad")
        const { longest, value } = yield* longestStretch(call(`mcp__bad__${tool}`))
        assert.isDefined(value.state)
        assert.isBelow(longest, patience(500), tool)
      }
    }))
})

const secret = "sk-very-secret-0123456789"

describe("A server's secrets", () => {
  live(
    "reach the server, and nobody else: neither answers nor what is stored nor what the tool says",
    () =>
      Effect.gen(function*() {
        const { add, call, owner, servers } = yield* place()
        const { url } = yield* atAddress("good", secret)
        yield* add(addressOf("web", `${url}?key=${secret}`, { Authorization: `Bearer ${secret}` }))
        yield* add(programOf("local", [], { SECRET_TOKEN: secret }))
        const said = [yield* call("mcp__web__secret"), yield* call("mcp__local__secret")]
        for (const { text } of said) assert.strictEqual(text, "I know ********.")
        const shown = yield* servers
        assert.deepStrictEqual(shown.map(({ mcp_config }) => mcp_config?.type), ["stdio_mcp", "http_mcp"])
        assert.deepInclude(shown[1]?.mcp_config, { url: `${url}?********`, headers: { Authorization: "********" } })
        const { mcpServers } = yield* Storage
        const stored = yield* mcpServers.list(owner, { limit: 10 })
        assert.strictEqual(stored.total, 2)
        for (const text of [JSON.stringify(shown), JSON.stringify(stored)]) assert.notInclude(text, secret)
      })
  )

  live(
    "are in no question that it asks a person, and in nothing that it says of its tools",
    () =>
      Effect.gen(function*() {
        const { add, of, owner, servers } = yield* place()
        const { url } = yield* atAddress("good", secret)
        yield* add(addressOf("web", url, { Authorization: `Bearer ${secret}` }))
        const { call, tools } = yield* Mcp
        const asked: Array<unknown> = []
        const asker = {
          session: "s" as SessionId,
          ask: (request: unknown) => {
            asked.push(request)
            return Effect.succeed({ action: "accept" as const, content: {} })
          }
        }
        assert.strictEqual(yield* call(owner, of, "mcp__web__ask_secret", {}, () => {}, asker), "success")
        assert.include(JSON.stringify(asked), "I know ********.")
        const told = (yield* tools(owner, of)).find(({ name }) => name === "mcp__web__tells")
        assert.deepInclude(told, { description: "I know ********." })
        assert.include(JSON.stringify(told), "It is ********.")
        for (const text of [asked, told, yield* servers]) assert.notInclude(JSON.stringify(text), secret)
      })
  )

  live("that are not accepted are told as that", () =>
    Effect.gen(function*() {
      const { add } = yield* place()
      const { url } = yield* atAddress("good", secret)
      const failure = yield* Effect.flip(add(addressOf("web", url, { Authorization: "Bearer other" })))
      assert.deepInclude(failure, { _tag: "McpFailed", problem: "auth" })
    }))
})

describe("A server at an address", () => {
  live("that the guard forbids is not asked, and nothing is said of what is there", () =>
    Effect.gen(function*() {
      const { add } = yield* place()
      for (const url of ["http://169.254.169.254/mcp", "http://10.0.0.1/mcp", "http://[fd00:ec2::254]/"]) {
        const failure = yield* Effect.flip(add(addressOf("inner", url)))
        assert.deepInclude(failure, { problem: "config" })
        assert.strictEqual(
          "message" in failure && failure.message,
          "The server's address may not be reached from here."
        )
      }
    }))

  live("that has forgotten the connection is asked again, once", () =>
    Effect.gen(function*() {
      const { add, call } = yield* place()
      const { calls, forget, url } = yield* atAddress()
      yield* add(addressOf("web", url))
      forget()
      assert.deepInclude(yield* call("mcp__web__echo", { text: "again" }), { state: "success", text: "again" })
      assert.deepStrictEqual(calls, ["echo"])
    }))

  live(
    "is connected once for calls that come at the same time, and told when the connection ends",
    () =>
      Effect.gen(function*() {
        const { add, call, remove, tools } = yield* place()
        const { heard, url } = yield* atAddress()
        yield* add(addressOf("web", url))
        const said = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, n) => `${n}`),
          (text) => call("mcp__web__echo", { text }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(said.map(({ text }) => text), Array.from({ length: 20 }, (_, n) => `${n}`))
        assert.strictEqual(heard.filter((method) => method === "initialize").length, 1)
        yield* remove("web")
        assert.deepStrictEqual(yield* tools, [])
        yield* Effect.retry(
          Effect.suspend(() => heard.includes("DELETE") ? Effect.void : Effect.fail("not yet")),
          Schedule.spaced("50 millis").pipe(Schedule.upTo(patience(10_000)))
        )
      })
  )
})

describe("Servers of a workspace", () => {
  live("have names of their own, also when several are added at once", () =>
    Effect.gen(function*() {
      const { add, servers } = yield* place()
      const { url } = yield* atAddress()
      const exits = yield* Effect.forEach([1, 2, 3, 4], () => Effect.either(add(addressOf("web", url))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(exits.filter(({ _tag }) => _tag === "Right").length, 1)
      for (const exit of exits) {
        if (exit._tag === "Left") assert.deepInclude(exit.left, { _tag: "Conflict", code: "mcp_server_exists" })
      }
      assert.strictEqual((yield* servers).length, 1)
    }))

  live("that run as programs are added by admins alone", () =>
    Effect.gen(function*() {
      const mcp = yield* Mcp
      const { of, owner } = yield* place()
      const failure = yield* Effect.flip(mcp.add({ user_id: owner, isAdmin: false }, of, programOf("local")))
      assert.strictEqual(failure._tag, "Forbidden")
    }))

  live("go with it, and nobody else has them", () =>
    Effect.gen(function*() {
      const { add, of, owner, servers } = yield* place()
      const { url } = yield* atAddress()
      yield* add(addressOf("web", url))
      assert.deepStrictEqual(yield* (yield* place()).tools, [])
      assert.deepStrictEqual(yield* (yield* place(freshOwner(), of)).servers, [])
      const workspaces = yield* Workspace
      yield* Effect.scoped(workspaces.open(owner, of))
      yield* workspaces.remove(owner, workspaces.keyOf(owner, of))
      assert.deepStrictEqual(yield* servers, [])
    }))

  live("keep from agents what their lists do not allow", () =>
    Effect.gen(function*() {
      const { add, call, tools } = yield* place()
      const { calls, url } = yield* atAddress()
      yield* add(addressOf("web", url, null, { enable_tools: ["echo", "picture"], disable_tools: ["picture"] }))
      assert.deepStrictEqual(yield* tools, ["mcp__web__echo"])
      assert.isUndefined((yield* call("mcp__web__picture")).state)
      assert.deepStrictEqual(calls, [])
    }))

  live("that end are begun again after a pause, and not by each call", () =>
    Effect.gen(function*() {
      const { add, call } = yield* place()
      const log = join(yield* temporary, "log")
      yield* add(programOf("local", ["good", log]))
      const begun = () => readFileSync(log, "utf8").split("\n").filter((line) => line.includes("\"initialize\"")).length
      const before = begun()
      assert.deepInclude(yield* call("mcp__local__dies"), { state: "connection" })
      // Whoever calls in the pause is told why the program ended.
      for (let n = 0; n < 5; n++) assert.include((yield* call("mcp__local__echo")).text, "exit code 3")
      assert.strictEqual(begun(), before)
      yield* Effect.repeat(Effect.delay(call("mcp__local__echo"), "200 millis"), {
        until: ({ state }) => state === "success"
      })
      assert.strictEqual(begun(), before + 1)
    }))

  live("leave no process, however often they are started and ended", () =>
    Effect.gen(function*() {
      const { add, call, refresh, remove } = yield* place()
      const folder = yield* temporary
      const mark = `round-${process.pid}-${Date.now()}`
      for (let round = 0; round < 8; round++) {
        yield* add(programOf("local", ["good", join(folder, mark)]))
        if (round % 2 === 0) yield* call("mcp__local__dies")
        if (round % 3 === 0) yield* refresh("local")
        yield* remove("local")
      }
      yield* Effect.retry(
        Effect.suspend(() => runningWith(mark) === 0 ? Effect.void : Effect.fail("something runs")),
        Schedule.spaced("100 millis").pipe(Schedule.upTo(patience(10_000)))
      )
    }))
})

describe("The library", () => {
  live(
    "lends servers to workspaces, for as long as it has them and they are switched on",
    () =>
      Effect.gen(function*() {
        const mcp = yield* Mcp
        const { call, of, owner, servers, tools } = yield* place()
        const asker = { user_id: owner, isAdmin: false }
        const { url } = yield* atAddress("good", secret)
        const draft = libraryDraft(addressOf("web", url, { Authorization: `Bearer ${secret}` }))
        const { id } = yield* mcp.addToLibrary(asker, draft)
        assert.deepInclude(yield* Effect.flip(mcp.addToLibrary(asker, draft)), { code: "mcp_server_exists" })
        assert.deepInclude(yield* mcp.test(owner, id, undefined), { success: true, error: null })
        assert.deepStrictEqual(yield* mcp.addFromLibrary(owner, of, [id, "unknown"]), {
          added: ["web"],
          failed: { unknown: "MCP server 'unknown' not found." }
        })
        assert.deepInclude(yield* call("mcp__web__echo", { text: "hello" }), { text: "hello" })
        yield* mcp.changeInLibrary(asker, id, { values: { Authorization: "Bearer wrong" } })
        assert.deepInclude(yield* call("mcp__web__echo", { text: "hello" }), { state: "auth" })
        assert.deepInclude(yield* mcp.test(owner, id, undefined), { success: false, error_code: "auth_error" })
        yield* mcp.changeInLibrary(asker, id, { enabled: false })
        assert.deepStrictEqual(yield* tools, [])
        assert.deepInclude((yield* servers)[0], { is_healthy: false, tools: [] })
        yield* mcp.removeFromLibrary(owner, id)
        assert.deepStrictEqual(yield* mcp.library(owner), [])
      })
  )

  live("of an admin is everybody's where it is shared, without its address", () =>
    Effect.gen(function*() {
      const mcp = yield* Mcp
      const admin = { user_id: freshOwner(), isAdmin: true }
      const { call, of, owner } = yield* place()
      const { url } = yield* atAddress("good", secret)
      const draft = libraryDraft(addressOf("web", url, { Authorization: `Bearer ${secret}` }), { shared: true })
      assert.strictEqual(
        (yield* Effect.flip(mcp.addToLibrary({ user_id: owner, isAdmin: false }, draft)))._tag,
        "Forbidden"
      )
      const own = yield* mcp.addToLibrary(admin, libraryDraft(addressOf("own", url)))
      const { id } = yield* mcp.addToLibrary(admin, draft)
      const [shown, ...more] = yield* mcp.library(owner)
      assert.deepStrictEqual(more, [])
      assert.deepInclude(shown, { id, shared: true, editable: false, mcp_config: null })
      const { added, failed } = yield* mcp.addFromLibrary(owner, of, [id, own.id])
      assert.deepStrictEqual([added, Object.keys(failed)], [["web"], [own.id]])
      assert.deepInclude(yield* call("mcp__web__echo", { text: "hello" }), { text: "hello" })
      assert.notInclude(JSON.stringify(yield* mcp.servers(owner, of)), "127.0.0.1")
      const change = mcp.changeInLibrary({ user_id: owner, isAdmin: false }, id, { enabled: false })
      assert.strictEqual((yield* Effect.flip(change))._tag, "NotFound")
    }))
})
