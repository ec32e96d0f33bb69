/** `stoa mcp`: what it sends, and what it shows. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { empty, fakeServer, json } from "./FakeServer.ts"

const inLibrary = {
  id: "m1",
  name: "notes",
  is_stateful: true,
  enabled: true,
  display_name: "Notes",
  description: "",
  tags: [],
  author: null,
  icon_url: null,
  url: null,
  hub_id: null,
  card_id: null,
  version: null,
  shared: false,
  editable: true,
  authorization: "needs_authorization",
  mcp_config: { type: "http_mcp", url: "https://a.example/mcp", headers: { Authorization: "********" }, timeout: null }
}

const definition = { name: "echo", description: "Says it.", parameters: { type: "object" }, digest: "d1" }

const inWorkspace = {
  name: "notes",
  is_stateful: true,
  mcp_config: inLibrary.mcp_config,
  enable_tools: null,
  disable_tools: null,
  execution_timeout: null,
  library_id: null,
  is_healthy: true,
  error: null,
  authorization: null,
  tools: [{ name: "other", description: "" }],
  changes: [{
    name: "echo",
    change: "changed",
    before: definition,
    after: { ...definition, description: "Sends\u001b[2J it.", digest: "d2" }
  }]
}

const server = fakeServer((request, line) => {
  switch (line) {
    case "GET /mcp":
      return json([inLibrary])
    case "GET /workspace/mcp?session_id=s1":
      return json([inWorkspace])
    case "POST /mcp/servers":
      return json(inLibrary, 201)
    case "POST /workspace/mcp?session_id=s1":
      return json(null, 201)
    case "POST /workspace/mcp/notes/approve?session_id=s1":
      return json({ ...inWorkspace, changes: [] })
    case "POST /mcp/m1/authorize":
      return json({
        authorization: "authorized",
        authorization_url: "https://login.example/authorize?state=\u001b[2Jx",
        expires_at: "2026-01-01T00:00:00.000Z"
      })
    case "DELETE /mcp/m1":
      return empty(204)
    default:
      return undefined
  }
})

describe("stoa mcp", () => {
  it.scopedLive("lists the library, and the servers of a workspace", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const library = yield* stoa({}, "mcp", "list", "--url", url)
      assert.include(library.out, "https://a.example/mcp")
      const workspace = yield* stoa({}, "mcp", "list", "--session", "s1", "--url", url)
      assert.match(workspace.out, /notes\s+true\s+1\s+1\s/)
    }))

  it.scopedLive("sends a server's address and headers, or a program with its arguments and variables", () =>
    Effect.gen(function*() {
      const { asked, lines, url } = yield* server
      const address = ["--address", "https://a.example/mcp", "--header", "Authorization: Bearer a:b"]
      assert.strictEqual((yield* stoa({}, "mcp", "add", "notes", ...address, "--url", url)).code, 0)
      const program = ["--command", "node", "--arg", "a.mjs", "--env", "A=b=c", "--session", "s1"]
      assert.strictEqual((yield* stoa({}, "mcp", "add", "notes", ...program, "--url", url)).code, 0)
      assert.deepStrictEqual(lines(), [
        "POST /mcp/servers",
        "POST /workspace/mcp?session_id=s1",
        "GET /workspace/mcp?session_id=s1"
      ])
      const [first, second] = asked.map(({ body }) =>
        (body as { readonly mcp_config: unknown } | undefined)?.mcp_config
      )
      assert.deepInclude(first, { url: "https://a.example/mcp", headers: { Authorization: "Bearer a:b" } })
      assert.deepInclude(second, { command: "node", args: ["a.mjs"], env: { A: "b=c" } })
      for (
        const wrong of [[], [...address, "--command", "node"], ["--address", "ftp://x"], [
          "--address",
          "https://x",
          "--header",
          "none"
        ]]
      ) {
        assert.strictEqual((yield* stoa({}, "mcp", "add", "notes", ...wrong, "--url", url)).code, 2, wrong.join(" "))
      }
    }))

  it.scopedLive("shows what changed before it is approved, with nothing that steers a terminal", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const refused = yield* stoa({}, "mcp", "approve", "notes", "--session", "s1", "--url", url)
      assert.notStrictEqual(refused.code, 0)
      const { code, err } = yield* stoa({}, "mcp", "approve", "notes", "--session", "s1", "--yes", "--url", url)
      assert.strictEqual(code, 0)
      assert.include(err, "- Says it.")
      assert.include(err, "+ Sends")
      assert.notInclude(err, "\u001b")
    }))

  it.scopedLive("shows the address where a person authorizes a server, with nothing that steers a terminal", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      const { code, out } = yield* stoa({}, "mcp", "login", "notes", "--url", url)
      assert.deepStrictEqual([code, out], [0, "https://login.example/authorize?state=[2Jx\n"])
      assert.include(lines(), "POST /mcp/m1/authorize")
    }))

  it.scopedLive("removes a server of the library, by its id or its name, when that is confirmed", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      for (const called of ["m1", "notes"]) {
        assert.strictEqual((yield* stoa({}, "mcp", "remove", called, "--yes", "--url", url)).code, 0)
      }
      assert.deepStrictEqual(lines().filter((line) => line.startsWith("DELETE")), ["DELETE /mcp/m1", "DELETE /mcp/m1"])
    }))

  it.scopedLive("says that a server is not there with the exit code for that", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      for (
        const words of [["show", "other"], ["show", "other", "--session", "s1"], ["remove", "other", "--yes"], [
          "use",
          "other",
          "--session",
          "s1"
        ]]
      ) {
        const { code, err } = yield* stoa({}, "mcp", ...words, "--url", url)
        assert.deepStrictEqual([code, err], [3, "stoa: There is no MCP server 'other' there.\n"])
      }
    }))
})
