/** The tools that work in a workspace, as a model uses them. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, Schedule, Schema } from "effect"
import { createServer } from "node:http"
import { AgentDraft, type AgentTools } from "../../src/domain/Agent.ts"
import type { SessionId, ToolCallId } from "../../src/domain/Ids.ts"
import { permissionContext, type PermissionMode } from "../../src/domain/Permission.ts"
import { decide } from "../../src/domain/permission/Decide.ts"
import * as BackgroundTasksLocal from "../../src/layers/BackgroundTasks/Local.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Scripted from "../../src/layers/Models/Scripted.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import * as RoomsLocal from "../../src/layers/Rooms/Local.ts"
import * as SchedulesStored from "../../src/layers/Scheduler/Stored.ts"
import * as ToolboxBuiltIn from "../../src/layers/Toolbox/BuiltIn.ts"
import { all } from "../../src/layers/Toolbox/tools/All.ts"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Toolbox, type ToolCaller, type ToolPart } from "../../src/services/Toolbox.ts"
import { Workspace } from "../../src/services/Workspace.ts"
import { agentOf, freshId, freshOwner, sessionOf } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { png } from "../support/pictures.ts"
import { inFolder, isSandboxed, limits, options, put, text } from "../support/workspaces.ts"

const workspace = inFolder((dir) =>
  Bubblewrap.layer({ ...options, dir, limits: { ...limits, bytes: 128 * 1024 * 1024, files: 5_000 } })
)

const tools = ToolboxBuiltIn.layerWith(all).pipe(
  Layer.provide(SchedulesStored.layer),
  Layer.provide(Scripted.layer([])),
  Layer.provideMerge(BackgroundTasksLocal.layer),
  Layer.provideMerge(RoomsLocal.layer),
  Layer.provideMerge(Layer.mergeAll(workspace, Host.memory, OutboundGuarded.layer({ hosts: [], loopback: true })))
)

/** Until it is there. */
const soon = Schedule.spaced("20 millis")

/** A caller with a session of its own in storage. */
const someone = (choice: AgentTools = "all", more: object = {}) =>
  Effect.gen(function*() {
    const storage = yield* Storage
    const agent = yield* storage.agents.insert(agentOf(freshOwner()))
    const session = yield* storage.sessions.insert(sessionOf(agent))
    return {
      agent: { ...agent, data: { ...agent.data, tools: choice } },
      session: { ...session, config: { ...session.config, ...more } }
    } satisfies ToolCaller
  })

const call = (caller: ToolCaller, name: string, input: unknown) =>
  Effect.gen(function*() {
    const toolbox = yield* Toolbox
    const parts: Array<ToolPart> = []
    const id = freshId() as ToolCallId
    const state = yield* toolbox.call(
      caller,
      { type: "tool_call", id, name, input: JSON.stringify(input), state: "allowed", suggested_rules: [] },
      (part) => parts.push(part)
    )
    return { state, parts, text: parts.map((part) => part.type === "text" ? part.delta : "").join("") }
  })

const says = (caller: ToolCaller, name: string, input: unknown) =>
  Effect.map(call(caller, name, input), ({ state, text }) => `${state}: ${text.trim()}`)

const mine = ({ agent, session }: ToolCaller) =>
  Effect.flatMap(
    Workspace,
    ({ open }) => open(session.user_id, { agent_id: agent.id, workspace_id: session.config.workspace_id })
  )

describe.skipIf(!isSandboxed)("In the sandbox", () => {
  layer(tools, { timeout: patience(60_000), excludeTestServices: true })("Workspace tools", (it) => {
    describe("Bash", () => {
      it.scoped("stays where a later command has gone when an earlier one ends", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          yield* says(ada, "Bash", { command: "mkdir -p early late" })
          const early = yield* Effect.fork(says(ada, "Bash", { command: "cd early && touch begun && sleep 1" }))
          yield* says(ada, "Bash", { command: "until [ -e early/begun ]; do sleep 0.02; done; cd late" })
          yield* Fiber.join(early)
          assert.match(yield* says(ada, "Bash", { command: "pwd" }), /\/late\s*$/)
        }))

      it.scoped("goes on where the session was: its folder and exported variables, and nothing of another session", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          yield* says(ada, "Bash", { command: "mkdir -p 'a b' && cd 'a b' && export X=\"it's\" Y=1; z=2" })
          assert.strictEqual(
            yield* says(ada, "Bash", { command: "pwd; echo \"$X$Y$z\"" }),
            "success: /workspace/a b\nit's1"
          )
          const other = { ...ada, session: { ...ada.session, id: freshId() as SessionId } }
          assert.strictEqual(
            yield* says(other, "Bash", { command: "pwd; echo [$X]; ls" }),
            "success: /workspace\n[]\na b\nsessions"
          )
          // A folder that is gone is no reason to run nothing.
          yield* says(other, "Bash", { command: "rm -r 'a b'" })
          assert.match(yield* says(ada, "Bash", { command: "echo still" }), /^success: still/)
        }))

      it.scoped("begins in the session's folder, and goes where the session is sent", () =>
        Effect.gen(function*() {
          const ada = yield* someone("all", { cwd: "/workspace/src" })
          yield* says(
            { ...ada, session: { ...ada.session, config: { ...ada.session.config, cwd: null } as never } },
            "Bash",
            {
              command: "mkdir -p src lib; cd lib"
            }
          )
          assert.strictEqual(yield* says(ada, "Bash", { command: "pwd; cd /workspace" }), "success: /workspace/src")
          assert.strictEqual(yield* says(ada, "Bash", { command: "pwd" }), "success: /workspace")
        }))

      it.scoped("says how a command ended, with all that it printed, both streams in their order", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const ran = yield* says(ada, "Bash", {
            command: "echo 1; echo 2 >&2; echo 3 > /dev/stderr; echo 4 > /dev/stdout; exit 7"
          })
          assert.strictEqual(ran, "error: 1\n2\n3\n4\n\nExit code 7")
          assert.match(
            yield* says(ada, "Bash", { command: "echo a; sleep 100", timeout: 700 }),
            /^error: a\n\nThe command did not end within 700 ms/
          )
          assert.strictEqual(yield* says(ada, "Bash", { command: "true" }), "success: ")
          assert.match(yield* says(ada, "Bash", { command: "if" }), /^error: .*syntax error/s)
          assert.strictEqual(yield* says(ada, "Bash", { command: "sleep 100 & echo here" }), "success: here")
          assert.strictEqual(yield* says(ada, "Bash", { command: "cat; echo end" }), "success: end")
        }))

      it.scoped("streams what is printed, and puts what is too long into a file that can be read", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const { parts, state, text } = yield* call(ada, "Bash", { command: "echo first; sleep 0.3; seq 100000" })
          assert.strictEqual(state, "success")
          assert.deepStrictEqual(parts[0], { type: "text", delta: "first\n" })
          assert.isBelow(text.length, 31_000)
          const [, file] = /is in (\S+): read it/.exec(text)!
          assert.strictEqual(
            yield* says(ada, "Read", { file_path: file, offset: 100_000, limit: 5 }),
            "success: 100000\t99999\n100001\t100000"
          )
          assert.include(
            yield* says(ada, "Grep", { pattern: "^77777$", path: file, output_mode: "content" }),
            ":77778:77777"
          )
        }))

      it.scoped("is ended with all that it began when its call is interrupted", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const w = yield* mine(ada)
          const begun = Date.now()
          yield* Effect.raceFirst(
            call(ada, "Bash", { command: "setsid sh -c 'while :; do date >> alive; sleep 0.05; done' & sleep 1000" }),
            Effect.retry(w.stat("alive"), soon).pipe(
              Effect.zipRight(Effect.sleep("300 millis"))
            )
          )
          assert.isBelow(Date.now() - begun, patience(20_000))
          const { size } = yield* w.stat("alive")
          yield* Effect.sleep("400 millis")
          assert.strictEqual((yield* w.stat("alive")).size, size)
        }))

      it.scoped("says so when its workspace is deleted under it", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const w = yield* mine(ada)
          const { remove } = yield* Workspace
          const [said] = yield* Effect.all([
            says(ada, "Bash", { command: "touch here; sleep 1000" }),
            Effect.retry(w.stat("here"), soon).pipe(
              Effect.zipRight(remove(ada.session.user_id, w.id))
            )
          ], { concurrency: 2 })
          assert.match(said, /^error: .*the workspace has been deleted/)
        }))
    })

    describe("Read, Write and Edit", () => {
      it.scoped("write and read text, with the numbers of lines, from any line on", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          assert.strictEqual(
            yield* says(ada, "Write", { file_path: "a/b.txt", content: "one\ntwo\nthree\n" }),
            "success: Wrote 14 bytes to /workspace/a/b.txt."
          )
          assert.strictEqual(
            yield* says(ada, "Read", { file_path: "/workspace/a/b.txt" }),
            "success: 1\tone\n     2\ttwo\n     3\tthree"
          )
          assert.strictEqual(
            yield* says(ada, "Read", { file_path: "a/b.txt", offset: 2, limit: 1 }),
            "success: 2\ttwo\n[The file goes on: read from line 3.]"
          )
          assert.match(yield* says(ada, "Read", { file_path: "a/b.txt", offset: 9 }), /fewer than 9 lines/)
          for (const file_path of ["/etc/passwd", "../x", "a", "nothing"]) {
            assert.match(yield* says(ada, "Read", { file_path }), /^error: /, file_path)
          }
          assert.match(
            yield* says(ada, "Write", { file_path: "/etc/x", content: "" }),
            /^error: '\/etc\/x' is outside of the workspace/
          )
        }))

      it.scoped("show pictures, and refuse what is neither text nor picture", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const w = yield* mine(ada)
          const picture = png(2_000)
          yield* put(w, "p.png", picture)
          yield* put(w, "x.bin", Uint8Array.from([1, 0, 2]))
          const { parts } = yield* call(ada, "Read", { file_path: "p.png" })
          assert.deepInclude(parts[0], {
            type: "data",
            media_type: "image/png",
            data: Buffer.from(picture).toString("base64")
          })
          assert.match(yield* says(ada, "Read", { file_path: "x.bin" }), /^error: .*no text/)
        }))

      it.scoped("read long lines and long files in parts, without holding everybody up", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          yield* says(ada, "Bash", { command: "head -c 30000000 /dev/zero | tr '\\0' x > long; seq 3000000 > many" })
          const { text } = yield* call(ada, "Read", { file_path: "long" })
          assert.isBelow(text.length, 3_000)
          assert.include(text, "[the line goes on]")
          assert.strictEqual(
            yield* says(ada, "Read", { file_path: "many", offset: 2_999_999 }),
            "success: 2999999\t2999999\n3000000\t3000000"
          )
        }))

      it.scoped("replace a text that stands there once, or everywhere", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const w = yield* mine(ada)
          yield* put(w, "f", "a b a $& c")
          const edit = (old_string: string, new_string: string, replace_all = false) =>
            says(ada, "Edit", { file_path: "f", old_string, new_string, replace_all })
          assert.match(yield* edit("a", "x"), /^error: The text stands more than once/)
          assert.match(yield* edit("z", "x"), /^error: There is no such text/)
          assert.match(yield* edit("b", "b"), /^error: .*the same/)
          assert.match(yield* edit("b", "$1"), /^success/)
          assert.match(yield* edit("a", "é", true), /^success: Replaced the text 2 times/)
          assert.strictEqual(yield* text(w, "f"), "é $1 é $& c")
          assert.match(
            yield* says(ada, "Edit", { file_path: "g", old_string: "a", new_string: "b" }),
            /^error: There is no '\/workspace\/g'/
          )
        }))
    })

    describe("Glob and Grep", () => {
      const tree = Effect.gen(function*() {
        const ada = yield* someone()
        const w = yield* mine(ada)
        const files: Readonly<Record<string, string>> = {
          "src/a.ts": "const one = 1\nconst two = 2\n\nexport { one }\n",
          "src/deep/er/b.ts": "import { one } from 'a'\n",
          "src/c.js": "one\r\nTWO\r\n",
          "docs/[x].md": "# one {two}\n",
          "node_modules/m/i.ts": "one\n",
          "keep/node_modules.ts": "one\n",
          ".hidden/h.ts": "one\n",
          "bin": "one\0",
          ".gitignore": "node_modules/\n*.log\n!keep.log\n/top\n",
          "x.log": "one\n",
          "keep.log": "one\n",
          "top/t.ts": "one\n",
          "sub/top/t.ts": "one\n"
        }
        for (const [path, content] of Object.entries(files)) yield* put(w, path, content)
        return ada
      })

      it.scoped("find files by patterns", () =>
        Effect.gen(function*() {
          const ada = yield* tree
          const found = (pattern: string, path = ".") =>
            Effect.map(says(ada, "Glob", { pattern, path }), (said) =>
              said.replace("success: ", "").replaceAll("/workspace/", "").split("\n").toSorted())
          assert.deepStrictEqual(yield* found("src/**/*.ts"), ["src/a.ts", "src/deep/er/b.ts"])
          assert.deepStrictEqual(yield* found("*.{js,md}", "src"), ["src/c.js"])
          assert.deepStrictEqual(yield* found("**/[ab].?s"), ["src/a.ts", "src/deep/er/b.ts"])
          assert.deepStrictEqual(yield* found("docs/\\[x\\].md"), ["docs/[x].md"])
          assert.deepStrictEqual(yield* found("*"), [".gitignore", "bin", "keep.log", "x.log"])
          assert.deepStrictEqual(yield* found("/workspace/src/*.ts"), ["src/a.ts"])
          assert.deepStrictEqual(yield* found("nothing"), ["No file found."])
          assert.match(yield* says(ada, "Glob", { pattern: "*", path: "/etc" }), /^error: /)
        }))

      it.scoped("search as ripgrep does: without hidden, ignored and binary files", () =>
        Effect.gen(function*() {
          const ada = yield* tree
          const found = (pattern: string, more: object = {}) =>
            Effect.map(says(ada, "Grep", { pattern, ...more }), (said) =>
              said.replace("success: ", "").replaceAll("/workspace/", "").split("\n").toSorted())
          assert.deepStrictEqual(yield* found("one"), [
            "docs/[x].md",
            "keep.log",
            "keep/node_modules.ts",
            "src/a.ts",
            "src/c.js",
            "src/deep/er/b.ts",
            "sub/top/t.ts"
          ])
          assert.deepStrictEqual(yield* found("one", { glob: "*.ts", path: "src", output_mode: "count" }), [
            "src/a.ts:2",
            "src/deep/er/b.ts:1"
          ])
          assert.deepStrictEqual(yield* found("two$", { "-i": true, type: "js", output_mode: "content" }), [
            "src/c.js:2:TWO"
          ])
          assert.deepStrictEqual(yield* found("two", { path: "src/a.ts", output_mode: "content", "-C": 1 }), [
            "src/a.ts-1-const one = 1",
            "src/a.ts-3-",
            "src/a.ts:2:const two = 2"
          ])
          assert.deepStrictEqual(yield* found("1\\nconst", { multiline: true, output_mode: "content", "-n": false }), [
            "src/a.ts:const one = 1",
            "src/a.ts:const two = 2"
          ])
          assert.deepStrictEqual(yield* found("nowhere"), ["Nothing found."])
          assert.match(yield* says(ada, "Grep", { pattern: "(" }), /^error: The pattern is not valid/)
          assert.match(yield* says(ada, "Grep", { pattern: "(?=x)" }), /^error: The pattern is not valid/)
        }))

      it.scoped("take patterns that would run for ever elsewhere", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          yield* put(yield* mine(ada), "f", `${"a".repeat(20_000)}!\n`)
          assert.strictEqual(yield* says(ada, "Grep", { pattern: "^(a+)+$" }), "success: Nothing found.")
          assert.strictEqual(yield* says(ada, "Glob", { pattern: `${"*a".repeat(100)}b` }), "success: No file found.")
        }))
    })

    describe("Tasks", () => {
      it.scoped("are kept in the session, told of, and changed one after the other", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const told = yield* Effect.forEach(
            ["plan", "build", "test"],
            (subject) => call(ada, "TaskCreate", { subject }),
            { concurrency: 3 }
          )
          assert.match(
            yield* says(ada, "TaskUpdate", { task_id: "2", state: "in_progress", blocked_by: ["1"] }),
            /#2 \[in_progress\] \w+ \(after #1\)/
          )
          assert.match(yield* says(ada, "TaskUpdate", { task_id: "9", state: "completed" }), /^error/)
          assert.match(yield* says(ada, "TaskUpdate", { task_id: "3", state: "deleted" }), /^success/)
          const { sessions } = yield* Storage
          const { state } = yield* sessions.get(ada.session.user_id, ada.session.id)
          assert.deepStrictEqual(
            state.tasks_context?.tasks.map(({ blocked_by, blocks, id, state }) => ({ id, state, blocks, blocked_by })),
            [
              { id: "1", state: "pending", blocks: ["2"], blocked_by: [] },
              { id: "2", state: "in_progress", blocks: [], blocked_by: ["1"] }
            ]
          )
          const lists = told.flatMap(({ parts }) =>
            parts.flatMap((part) => part.type === "state" ? [part.state.tasks_context?.tasks.length] : [])
          )
          assert.sameMembers(lists, [1, 2, 3])
          const { parts } = yield* call(ada, "TaskUpdate", { task_id: "1", state: "completed" })
          assert.deepStrictEqual(
            parts.flatMap((part) =>
              part.type === "state" ? part.state.tasks_context?.tasks.map(({ state }) => state) : []
            ),
            ["completed", "in_progress"]
          )
          assert.strictEqual((yield* says(ada, "TaskList", {})).split("\n").length, 2)
        }))
    })

    describe("WebFetch", () => {
      const site = Effect.acquireRelease(
        Effect.async<readonly [string, ReturnType<typeof createServer>]>((resume) => {
          const server = createServer((request, response) => {
            switch (request.url) {
              case "/page":
                response.setHeader("content-type", "text/html; charset=utf-8")
                return void response.end(
                  "<title>T</title><script>evil()</script><h1>Head</h1><p>Some <b>bold</b> <a href='/x'>link</a></p>"
                )
              case "/moved":
                return void response.writeHead(302, { location: "/page" }).end()
              case "/inner":
                return void response.writeHead(302, { location: "http://169.254.169.254/latest" }).end()
              case "/loop":
                return void response.writeHead(302, { location: "/loop" }).end()
              case "/picture":
                return void response.writeHead(200, { "content-type": "image/png" }).end("x")
              case "/deep":
                return void response.writeHead(200, { "content-type": "text/html" }).end("<div>".repeat(100_000))
              case "/long":
                return void response.writeHead(200, { "content-type": "text/plain" }).end("x".repeat(3_000_000))
              default:
                return void response.writeHead(404, { "content-type": "text/plain" }).end("not here")
            }
          }).listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed([`http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`, server]))
          })
        }),
        ([, server]) => Effect.sync(() => server.close())
      )

      it.scoped("gives pages as markdown, within bounds, and reaches no inner address, not even by a redirect", () =>
        Effect.gen(function*() {
          const ada = yield* someone()
          const [url] = yield* site
          const get = (path: string) => says(ada, "WebFetch", { url: path.startsWith("/") ? `${url}${path}` : path })
          assert.strictEqual(yield* get("/page"), "success: T\n\n# Head\n\nSome **bold** [link](/x)")
          assert.strictEqual(
            yield* get("/moved"),
            `success: [From ${url}/page]\nT\n\n# Head\n\nSome **bold** [link](/x)`
          )
          assert.match(yield* get("/long"), /^success: \[The page goes on\.\]\nx+$/)
          for (
            const path of [
              "/inner",
              "/loop",
              "/picture",
              "/nothing",
              "http://169.254.169.254/",
              "file:///etc/passwd",
              "ftp://x/",
              "x"
            ]
          ) {
            assert.match(yield* get(path), /^error: /, path)
          }
          assert.match(yield* get("/deep"), /^(error|success): /)
        }))
    })

    describe("Agents", () => {
      it.effect("have the tools they ask for; those that say nothing have none of these", () =>
        Effect.gen(function*() {
          const toolbox = yield* Toolbox
          const names = (choice: AgentTools) =>
            Effect.map(
              Effect.flatMap(someone(choice), toolbox.list),
              (tools) => tools.map(({ name }) => name)
            )
          assert.deepStrictEqual(yield* names("default"), ["CurrentTime", "Calculate", "Pause"])
          assert.deepStrictEqual(yield* names("none"), [])
          assert.deepStrictEqual(yield* names(["Read", "Bash"]), ["Bash", "Read"])
          assert.strictEqual(
            (yield* names("all")).join(" "),
            "CurrentTime Calculate Pause Bash Edit Glob Grep Read Write TaskCreate TaskUpdate TaskList ToolView ToolStop "
              + "ScheduleCreate ScheduleList ScheduleView ScheduleStop SessionHistory WebFetch"
          )
          assert.deepStrictEqual(Schema.decodeSync(AgentDraft)({ name: "A" }).tools, "default")
          assert.match(yield* says(yield* someone(["Read"]), "Bash", { command: "true" }), /^error: ToolNotFoundError/)
          assert.isFalse(toolbox.namesOf("default").has("Read"))
        }))

      it.effect("are asked about by what a call does", () =>
        Effect.gen(function*() {
          const toolbox = yield* Toolbox
          const caller = yield* someone()
          const decisions = (mode: PermissionMode) =>
            ["Read", "Glob", "Grep", "TaskCreate", "Write", "Edit", "Bash", "WebFetch"].map((name) =>
              decide(permissionContext(mode), {
                name,
                input: JSON.stringify({
                  file_path: "f",
                  command: "touch f && ./a.out",
                  url: "https://example.com",
                  pattern: "x"
                }),
                effect: Effect.runSync(toolbox.effectOf(caller, { name, input: "{}" })),
                own: true
              }).decision
            ).join(" ")
          assert.strictEqual(decisions("default"), "allow allow allow allow ask ask ask ask")
          assert.strictEqual(decisions("accept_edits"), "allow allow allow allow allow allow ask ask")
          assert.strictEqual(decisions("explore"), "allow allow allow allow deny deny deny deny")
          assert.strictEqual(decisions("bypass"), "allow allow allow allow allow allow allow allow")
          assert.strictEqual(decisions("dont_ask"), "allow allow allow allow allow allow deny deny")
        }))

      it.scoped("are judged in the folder in which they run, whatever other calls change meanwhile", () =>
        Effect.gen(function*() {
          const toolbox = yield* Toolbox
          const ada = yield* someone()
          const judged = (name: string, args: object) =>
            Effect.map(toolbox.folderOf(ada, { name }), (folder) =>
              decide(
                permissionContext("accept_edits"),
                { name, input: JSON.stringify(args), effect: "write", own: true },
                folder
              ).decision)
          const touch = { command: "touch config" }
          assert.strictEqual(yield* judged("Bash", touch), "allow")
          const before = yield* toolbox.folderOf(ada, { name: "Bash" })
          assert.deepStrictEqual(before, { cwd: "/workspace", home: "/workspace" })

          yield* says(ada, "Bash", { command: "mkdir -p .git sub; cd .git" })
          assert.strictEqual(yield* judged("Bash", touch), "ask")
          // A call that was decided on before works where it was decided on for.
          assert.match(
            yield* says({ ...ada, folder: before }, "Bash", { command: "pwd; cd sub" }),
            /success: \/workspace$/
          )
          assert.deepStrictEqual(yield* toolbox.folderOf(ada, { name: "Bash" }), {
            cwd: "/workspace/sub",
            home: "/workspace"
          })
          assert.strictEqual(yield* judged("Bash", touch), "allow")
          assert.strictEqual(yield* judged("Bash", { command: "touch ../x" }), "allow")
          assert.strictEqual(yield* judged("Bash", { command: "touch ../../x" }), "ask")

          yield* says(ada, "Bash", { command: "cd /tmp" })
          assert.deepStrictEqual(yield* toolbox.folderOf(ada, { name: "Bash" }), before)
          assert.strictEqual(yield* judged("Bash", { command: "touch /tmp/x" }), "ask")
          assert.deepStrictEqual(yield* toolbox.folderOf(ada, { name: "Write" }), {
            cwd: "/workspace",
            home: "/workspace"
          })
          assert.isUndefined(yield* toolbox.folderOf(ada, { name: "TaskList" }))
          const gone = { cwd: "/workspace/gone", home: "/workspace" }
          assert.match(
            yield* says({ ...ada, folder: gone }, "Bash", { command: "touch made" }),
            /^error: .*not there any more/
          )
          assert.match(yield* says(ada, "Bash", { command: "test -e made || pwd" }), /^success: \/workspace/)
        }))
    })
  })
})
