/** Workspaces over HTTP, in the shapes that clients of the Agent Service read. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Host from "../../src/layers/Host.ts"
import * as Bubblewrap from "../../src/layers/Workspace/Bubblewrap.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"
import { inFolder, isSandboxed, options } from "../support/workspaces.ts"

const { TestHost: Door } = TestHost

const host = Host.over(Host.memory, {
  workspace: Layer.orDie(inFolder((dir) => Bubblewrap.layer({ ...options, dir })))
})

let users = 0

/** A user with an agent and a session, and calls about its workspace. */
const someone = (tools: unknown = "all") =>
  Effect.gen(function*() {
    const { call } = yield* Door
    const user = `workspace-${users++}`
    const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "A", tools } })).json
    const { credential_id } =
      (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
    const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
    const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
    yield* call("PATCH", `/sessions/${session_id}`, { user, body: { permission_mode: "bypass" } })
    const of = `agent_id=${agent_id}&session_id=${session_id}`
    const about = (method: string, path: string, more: TestHost.Call & { readonly path?: string } = {}) =>
      call(
        method,
        `/workspace/${path}?${of}${more.path === undefined ? "" : `&path=${encodeURIComponent(more.path)}`}`,
        {
          user,
          ...more
        }
      )
    const put = (path: string, text: string) =>
      about("PUT", "files", { path, text, headers: { "content-type": "text/plain" } })
    const chat = (text: string) =>
      call("POST", "/chat", {
        user,
        headers: { accept: "application/json" },
        body: { agent_id, session_id, input: { content: text } }
      })
    return { user, agent_id, session_id, of, about, put, chat }
  })

describe.skipIf(!isSandboxed)("In the sandbox", () => {
  layer(TestHost.layer({ host, maxFilesMegabytes: 0.1 }), { timeout: patience(60_000), excludeTestServices: true })(
    "Workspaces over HTTP",
    (it) => {
      it.effect("list folders and files as the Agent Service does", () =>
        Effect.gen(function*() {
          const { about, put } = yield* someone()
          assert.deepStrictEqual((yield* put("d/f.txt", "hello")).json, { path: "/workspace/d/f.txt", size_bytes: 5 })
          yield* put("a.txt", "x")
          const root = (yield* about("GET", "directories", { path: "" })).json
          assert.deepStrictEqual(
            root.entries.map(({ updated_at, ...entry }: { updated_at: unknown }) => [typeof updated_at, entry]),
            [
              ["number", { name: "d", is_dir: true, size_bytes: null }],
              ["number", { name: "a.txt", is_dir: false, size_bytes: 1 }]
            ]
          )
          assert.strictEqual(root.path, "/workspace")
          assert.strictEqual((yield* about("GET", "directories", { path: "/workspace/d" })).json.path, "/workspace/d")
          assert.strictEqual((yield* about("GET", "directories", { path: "nowhere" })).status, 404)
          assert.strictEqual((yield* about("GET", "directories", { path: "a.txt" })).status, 400)
          for (const path of ["..", "/etc", "d/../../x"]) {
            assert.deepInclude((yield* about("GET", "directories", { path })).json, {
              status: 400,
              code: "path_refused"
            })
          }
        }))

      it.effect("give files and parts of them, harmless to browsers", () =>
        Effect.gen(function*() {
          const { about, put } = yield* someone()
          yield* put("page.html", "<script>0123</script>")
          const whole = yield* about("GET", "files", { path: "page.html" })
          assert.strictEqual(whole.text, "<script>0123</script>")
          assert.strictEqual(whole.headers["content-type"], "text/plain; charset=utf-8")
          assert.strictEqual(whole.headers["content-security-policy"], "sandbox; default-src 'none'")
          assert.strictEqual(whole.headers["x-content-type-options"], "nosniff")
          const part = yield* about("GET", "files", { path: "page.html", headers: { range: "bytes=8-11" } })
          assert.deepStrictEqual([part.status, part.text, part.headers["content-range"]], [
            206,
            "0123",
            "bytes 8-11/21"
          ])
          assert.strictEqual((yield* about("GET", "files", { path: "none" })).status, 404)
          assert.strictEqual((yield* about("GET", "files", { path: "" })).status, 400)
          yield* put("empty", "")
          assert.deepInclude(yield* about("GET", "files", { path: "empty" }), { status: 200, text: "" })
        }))

      it.effect("take files of any kind up to the limit, and remove them", () =>
        Effect.gen(function*() {
          const { about, put } = yield* someone()
          assert.strictEqual((yield* put("big", "x".repeat(104_000))).status, 200)
          const tooLarge = yield* put("bigger", "x".repeat(105_000))
          assert.deepInclude(tooLarge.json, { status: 413, code: "too_large" })
          assert.strictEqual((yield* about("GET", "files", { path: "bigger" })).status, 404)
          assert.strictEqual((yield* put("line\nbreak", "")).status, 400)
          assert.strictEqual((yield* about("DELETE", "files", { path: "big" })).status, 204)
          assert.strictEqual((yield* about("DELETE", "files", { path: "big" })).status, 404)
          assert.strictEqual((yield* about("DELETE", "files", { path: "" })).status, 400)
        }))

      it.effect("give a token for the download of one file, which is good for no other and says nothing itself", () =>
        Effect.gen(function*() {
          const { call } = yield* Door
          const { about, of, put, session_id, user } = yield* someone()
          yield* put("a b", "mine")
          yield* put("other", "not this")
          const { expires_at, token } = (yield* about("POST", "files/download-token", { path: "a b" })).json
          assert.approximately(expires_at, Date.now() / 1000 + 300, 60)
          assert.notInclude(Buffer.from(token, "base64url").toString(), user)
          const get = (path: string, given = token, session = of) =>
            call("GET", `/workspace/files?${session}&path=${path}&download=true&token=${given}`)
          const file = yield* get("a%20b")
          assert.deepStrictEqual([file.status, file.text], [200, "mine"])
          assert.match(file.headers["content-disposition"]!, /^attachment; filename="a b"/)
          assert.strictEqual((yield* get("other")).status, 401)
          assert.strictEqual((yield* get("a%20b", `${token.slice(0, -4)}AAAA`)).status, 401)
          assert.strictEqual((yield* get("a%20b", "")).status, 401)
          const another = yield* someone()
          assert.strictEqual((yield* get("a%20b", token, another.of)).status, 401)
          assert.strictEqual(
            (yield* call("DELETE", `/workspace/files?session_id=${session_id}&path=a%20b&token=${token}`)).status,
            401
          )
          assert.strictEqual((yield* about("POST", "files/download-token", { path: "nothing" })).status, 404)
        }))

      it.effect("tell the state of the session's repository, and that there is none", () =>
        Effect.gen(function*() {
          const { about, chat, put } = yield* someone()
          assert.deepStrictEqual((yield* about("GET", "status")).json, {
            workdir: "/workspace",
            cwd: "/workspace",
            git: null
          })
          const command =
            "git init -q -b main && echo 1 > f && git add f && git -c user.email=a@b -c user.name=n commit -qm one && "
            + "echo 2 >> f && echo n > new"
          const answer = yield* chat(`call Bash ${JSON.stringify({ command })}`)
          assert.deepInclude(answer.json.content.at(-1), { type: "tool_result", state: "success" }, answer.text)
          // What a hostile repository would have run.
          yield* put(".git/hooks/fsmonitor-watchman", "touch /workspace/OWNED")
          const config = (yield* about("GET", "files", { path: ".git/config" })).text
          const program = "touch /workspace/OWNED; false"
          yield* put(".git/config", `${config}[core]\n\tfsmonitor = ${program}\n[diff]\n\texternal = ${program}\n`)
          const { git } = (yield* about("GET", "status")).json
          assert.deepInclude(git, { branch: "main", unstaged: 1, untracked: 1, staged: 0, insertions: 1, deletions: 0 })
          assert.match(git.head, /^[0-9a-f]{40}$/)
          assert.strictEqual((yield* about("GET", "files", { path: "OWNED" })).status, 404)
        }))

      it.effect("are an agent's own, and go with it", () =>
        Effect.gen(function*() {
          const { call } = yield* Door
          const { agent_id, put, user } = yield* someone()
          yield* put("f", "hello")
          const { workspaces } = (yield* call("GET", "/workspaces", { user })).json
          assert.deepInclude(workspaces[0], { isolation: "agent", agent_id })
          const path = `/workspaces/${workspaces[0].id}`
          assert.deepInclude((yield* call("GET", path, { user })).json, { files: 1, bytes: 4096 })
          assert.strictEqual((yield* call("DELETE", path, { user })).status, 204)
          assert.strictEqual((yield* call("GET", path, { user })).status, 404)
          yield* put("f", "hello")
          yield* call("DELETE", `/agent/${agent_id}`, { user })
          assert.deepStrictEqual((yield* call("GET", "/workspaces", { user })).json, { workspaces: [], total: 0 })
        }))

      it.effect("hold the plan of an agent, whose changes those who watch are told, with the rules as they are", () =>
        Effect.gen(function*() {
          const { call } = yield* Door
          const { chat, session_id, user } = yield* someone()
          assert.strictEqual((yield* chat("call TaskCreate {\"subject\": \"sow\"}\nthen\nsay planned")).status, 200)
          const { json } = yield* call("GET", `/sessions/${session_id}`, { user })
          assert.deepInclude(json.state.tasks_context.tasks[0], { id: "1", subject: "sow", state: "pending" })
          const { json: { messages } } = yield* call("GET", `/sessions/${session_id}/messages`, { user })
          assert.include(JSON.stringify(messages), "planned")
          const { until } = yield* (yield* Door).watch("GET", `/sessions/${session_id}/stream?after=0`, { user })
          const seen = yield* until((text) => text.includes("REPLY_END"))
          const told = seen.split("\n").filter((line) => line.includes("state_updated")).map((line) =>
            JSON.parse(line.slice("data: ".length)).value
          )
          assert.deepStrictEqual(told.at(-1).tasks_context, json.state.tasks_context)
          assert.strictEqual(told.at(-1).permission_context.mode, "bypass")
        }).pipe(Effect.scoped))

      it.effect("say so when an agent names a tool that there is not, or a client's tool has a tool's name", () =>
        Effect.gen(function*() {
          const { call } = yield* Door
          const user = "names"
          const make = (body: object) => call("POST", "/agent", { user, body: { name: "A", ...body } })
          assert.deepInclude((yield* make({ tools: ["Bash", "Nothing"] })).json, {
            status: 422,
            detail: "The agent cannot have these tools. tools.1: There is no tool called 'Nothing'."
          })
          const client_tools = [{ name: "Read" }]
          assert.strictEqual((yield* make({ client_tools })).status, 201)
          assert.strictEqual((yield* make({ client_tools, tools: "none" })).status, 201)
          assert.strictEqual((yield* make({ client_tools, tools: ["Read"] })).status, 422)
          const { agent_id } = (yield* make({ client_tools })).json
          assert.strictEqual((yield* call("PATCH", `/agent/${agent_id}`, { user, body: { tools: "all" } })).status, 422)
          const { data } = (yield* call("PATCH", `/agent/${agent_id}`, { user, body: { tools: ["Bash"] } })).json
          assert.deepStrictEqual(data.tools, ["Bash"])
        }))
    }
  )
})
