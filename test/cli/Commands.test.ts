import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { ServerResponse } from "node:http"
import { type Desk as DeskOptions, type Ran, stoa } from "./Desk.ts"
import { empty, fakeServer, json, nobody, problem } from "./FakeServer.ts"
import { agent, credential, page, session } from "./Records.ts"

const oneLine = (ran: Ran) => {
  assert.match(ran.err, /^stoa: [^\n]+\n$/)
  assert.notInclude(ran.err, "    at ")
  assert.notInclude(ran.err, "{")
}

const twoPages = fakeServer((_, line) => {
  switch (line) {
    case "GET /agent?limit=1000":
      return json(page("agents", [agent("a1", "first"), agent("a2", "zwei 日本")], "more"))
    case "GET /agent?limit=1000&cursor=more":
      return json(page("agents", [agent("a3", "third")]))
    default:
      return undefined
  }
})

describe("lists", () => {
  it.scopedLive("pages through all, as a table whose columns line up", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* twoPages
      const { code, err, out } = yield* stoa({}, "agents", "list", "--url", url)
      assert.strictEqual(code, 0)
      assert.strictEqual(err, "")
      assert.deepStrictEqual(out.split("\n").map((line) => line.split("20")[0]), [
        "ID  NAME       FROM  CREATED                   UPDATED",
        "a1  first      you   ",
        "a2  zwei 日本  you   ",
        "a3  third      you   ",
        ""
      ])
      assert.deepStrictEqual(lines(), ["GET /agent?limit=1000", "GET /agent?limit=1000&cursor=more"])
    }))

  it.scopedLive("stop where --limit says", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) =>
        line === "GET /agent?limit=2" ? json(page("agents", [agent("a1"), agent("a2")], "more")) : undefined
      )
      const { out } = yield* stoa({}, "agents", "list", "--limit", "2", "--url", url)
      assert.strictEqual(out.split("\n").length, 4)
      assert.deepStrictEqual(lines(), ["GET /agent?limit=2"])
    }))

  it.scopedLive("are one array as JSON and a line each as NDJSON", () =>
    Effect.gen(function*() {
      const { url } = yield* twoPages
      const whole = yield* stoa({}, "agents", "list", "-o", "json", "--url", url)
      assert.deepStrictEqual(JSON.parse(whole.out).map(({ id }: { id: string }) => id), ["a1", "a2", "a3"])
      const lines = yield* stoa({}, "agents", "list", "--output=ndjson", "--url", url)
      assert.deepStrictEqual(lines.out.trimEnd().split("\n").map((line) => JSON.parse(line).id), ["a1", "a2", "a3"])
    }))

  it.scopedLive("do not follow a server that repeats its cursor", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer(() => json(page("agents", [agent("a1")], "again")))
      assert.strictEqual((yield* stoa({}, "agents", "list", "--url", url)).code, 0)
      assert.strictEqual(lines().length, 2)
    }))

  it.scopedLive("show nothing that could steer a terminal, and fit its width", () =>
    Effect.gen(function*() {
      const { url } = yield* fakeServer(() =>
        json(page("sessions", [{
          ...session("s1"),
          config: { ...session("s1").config, name: `evil\u001b[2J\nname ${"x".repeat(200)}` }
        }]))
      )
      const { out } = yield* stoa({ isTerminal: true, width: 80 }, "sessions", "list", "--url", url)
      assert.notInclude(out, "\u001b")
      assert.deepStrictEqual(out.split("\n").length, 3)
      assert.isTrue(out.split("\n").every((line) => line.length <= 80), out)
    }))

  it.scopedLive("are coloured only where there is colour", () =>
    Effect.gen(function*() {
      const { url } = yield* twoPages
      assert.include((yield* stoa({ hasColour: true }, "agents", "list", "--url", url)).out, "\u001b[1m")
      assert.notInclude((yield* stoa({}, "agents", "list", "--url", url)).out, "\u001b")
    }))
})

describe("who asks", () => {
  const identity = (desk: DeskOptions, ...words: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer(() => json(page("agents", [])))
      const ran = yield* stoa({ ...desk, env: { STOA_URL: url, ...desk.env } }, "agents", "list", ...words)
      const { authorization, "x-user-id": user } = asked[0]?.headers ?? {}
      return { ran, authorization, user }
    })

  it.scopedLive("is local, then STOA_USER, then --user", () =>
    Effect.gen(function*() {
      assert.propertyVal(yield* identity({}), "user", "local")
      assert.propertyVal(yield* identity({ env: { STOA_USER: "ada" } }), "user", "ada")
      assert.propertyVal(yield* identity({ env: { STOA_USER: "ada" } }, "--user", "bob"), "user", "bob")
    }))

  it.scopedLive("is the key's own user when there is a key", () =>
    Effect.gen(function*() {
      const { authorization, user } = yield* identity({ env: { STOA_API_KEY: "stoa_x", STOA_USER: "ada" } })
      assert.strictEqual(authorization, "Bearer stoa_x")
      assert.isUndefined(user)
    }))

  it.scopedLive("never shows the key, whatever is wrong with it", () =>
    Effect.gen(function*() {
      for (const key of ["sekrit\nnewline", "sekrit umläut"]) {
        const { ran } = yield* identity({ env: { STOA_API_KEY: key } })
        assert.strictEqual(ran.code, 2)
        oneLine(ran)
        assert.notInclude(ran.err + ran.out, "sekrit")
      }
      for (const words of [["--kye", "sekrit"], ["--kye=sekrit"], ["--key", "sekrit", "sekrit"]]) {
        const ran = yield* stoa({}, "agents", "list", ...words)
        assert.strictEqual(ran.code, 2)
        assert.notInclude(ran.err + ran.out, "sekrit")
      }
      const ran = yield* stoa({ env: { STOA_API_KEY: "sekrit" } }, "agents", "list", "--url", yield* nobody)
      assert.notInclude(ran.err + ran.out, "sekrit")
    }))
})

describe("failures", () => {
  const failing = (answer: ReturnType<typeof problem>) =>
    Effect.gen(function*() {
      const { url } = yield* fakeServer(() => answer)
      const ran = yield* stoa({}, "agents", "get", "a1", "--url", url)
      oneLine(ran)
      assert.strictEqual(ran.out, "")
      return ran
    })

  it.scopedLive("say the problem's own sentence, with an exit code for each class", () =>
    Effect.gen(function*() {
      const cases = [
        ["NotFound", 404, 3],
        ["Unauthenticated", 401, 4],
        ["Forbidden", 403, 4],
        ["Conflict", 409, 1],
        ["Invalid", 422, 1],
        ["LimitReached", 429, 1],
        ["Internal", 500, 1],
        ["Unavailable", 503, 1]
      ] as const
      for (const [tag, status, code] of cases) {
        const ran = yield* failing(problem(tag, status, `It is ${tag}.`))
        assert.deepStrictEqual([ran.err, ran.code], [`stoa: It is ${tag}.\n`, code])
      }
    }))

  it.scopedLive("name the fields", () =>
    Effect.gen(function*() {
      const ran = yield* failing(problem("Invalid", 422, "The body is wrong.", [
        { path: "name", message: "Expected text" },
        { path: "a.0", message: "Expected 1" }
      ]))
      assert.strictEqual(ran.err, "stoa: The body is wrong. name: Expected text; a.0: Expected 1\n")
      const once = yield* failing(problem("Invalid", 422, "agent_id: Agent 'x' not found.", [
        { path: "agent_id", message: "Agent 'x' not found." }
      ]))
      assert.strictEqual(once.err, "stoa: agent_id: Agent 'x' not found.\n")
    }))

  it.scopedLive("stay one line when something else answers", () =>
    Effect.gen(function*() {
      const page = (status: number) => (response: ServerResponse) =>
        void response.writeHead(status, { "content-type": "text/html" }).end("<html>\nnginx {}")
      assert.strictEqual((yield* failing(page(502))).code, 1)
      assert.strictEqual((yield* failing(page(404))).code, 3)
      assert.strictEqual((yield* failing(page(200))).code, 1)
      assert.strictEqual((yield* failing(json({ not: "an agent" }))).code, 1)
      const ran = yield* failing(problem("Conflict", 409, "two\nlines\u001b[2J"))
      assert.strictEqual(ran.err, "stoa: two lines [2J\n")
    }))

  it.scopedLive("of the connection are 5 and say what to do", () =>
    Effect.gen(function*() {
      const url = yield* nobody
      const refused = yield* stoa({}, "agents", "list", "--url", url)
      assert.strictEqual(refused.code, 5)
      assert.strictEqual(
        refused.err,
        `stoa: no server at ${url}; start one with npm start, or name another with --url.\n`
      )
      const { url: silent } = yield* fakeServer(() => (response) => void response.destroy())
      const broken = yield* stoa({}, "agents", "list", "--url", silent)
      oneLine(broken)
      assert.strictEqual(broken.code, 5)
    }))

  it.effect("of the line name the help of the command", () =>
    Effect.gen(function*() {
      assert.include((yield* stoa({}, "tasks", "list")).err, "See stoa tasks list --help.")
    }))

  it.effect("of the line itself are 2 and ask no server", () =>
    Effect.gen(function*() {
      const lines = [
        ["nonsense"],
        ["agents", "lsit"],
        ["--url", "http://x", "agents", "list"],
        ["agents", "list", "--lmit", "3"],
        ["agents", "list", "--limit"],
        ["agents", "list", "--limit", "0"],
        ["agents", "list", "--limit", "many"],
        ["agents", "list", "-o", "xml"],
        ["agents", "list", "extra"],
        ["agents", "get"],
        ["agents", "get", ".."],
        ["agents", "get", "a b"],
        ["agents", "list", "--url", "ftp://x"],
        ["agents", "list", "--url", "http://me:sekrit@x"],
        ["agents", "list", "--user", "no spaces"],
        ["agents", "update", "a1"],
        ["agents", "create", "--name", "--wizard"],
        ["agents", "create", ""],
        ["chat", "--session", "s", "--new", "hi"],
        ["chat", "--model", "nocolon", "--new", "hi"],
        ["keys", "create", "--user", "u", "--expires", "soon"],
        ["credentials", "create", "--type", "demo", "--set", "novalue"],
        ["--completions", "tcsh"]
      ]
      for (const words of lines) {
        const ran = yield* stoa({ env: { STOA_URL: "http://127.0.0.1:1" } }, ...words)
        const about = words.join(" ")
        if (about.startsWith("chat --model")) continue
        assert.strictEqual(ran.code, 2, `${about}: ${ran.err}`)
        assert.match(ran.err, /^stoa: [^\n]+\n$/, about)
        assert.notInclude(ran.err, "sekrit")
        assert.strictEqual(ran.out, "", about)
      }
    }))
})

describe("deleting", () => {
  const server = fakeServer((_, line) => line.startsWith("DELETE /") ? empty(204) : undefined)

  it.scopedLive("refuses without a terminal unless --yes", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      for (const noun of ["agents", "sessions", "credentials"]) {
        assert.strictEqual((yield* stoa({}, noun, "delete", "x1", "--url", url)).code, 2)
      }
      assert.strictEqual((yield* stoa({}, "keys", "revoke", "x1", "--url", url)).code, 2)
      assert.deepStrictEqual(lines(), [])
      assert.strictEqual((yield* stoa({}, "agents", "delete", "x1", "x/2", "--yes", "--url", url)).code, 0)
      assert.deepStrictEqual(lines(), ["DELETE /agent/x1", "DELETE /agent/x%2F2"])
    }))

  it.scopedLive("asks on a terminal, and only yes is yes", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* server
      for (const typed of [["n"], [""], []]) {
        const ran = yield* stoa({ isTerminal: true, typed }, "agents", "delete", "x1", "--url", url)
        assert.strictEqual(ran.code, 1)
        assert.include(ran.err, "Delete x1")
      }
      assert.deepStrictEqual(lines(), [])
      assert.strictEqual(
        (yield* stoa({ isTerminal: true, typed: ["y"] }, "agents", "delete", "x1", "--url", url)).code,
        0
      )
      assert.deepStrictEqual(lines(), ["DELETE /agent/x1"])
    }))
})

describe("making and changing", () => {
  it.scopedLive("sends what was named and prints the id alone", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer((_, line) =>
        line === "POST /agent" ? json({ agent_id: "a9" }, 201) : undefined
      )
      const { out } = yield* stoa({ piped: "Be brief." }, "agents", "create", "Bo", "--prompt-file", "-", "--url", url)
      assert.strictEqual(out, "a9\n")
      assert.deepInclude(asked[0]?.body, { name: "Bo", system_prompt: "Be brief." })
    }))

  it.scopedLive("keeps an agent's other limits", () =>
    Effect.gen(function*() {
      const before = agent("a1")
      const react_config = { ...before.data.react_config, stop_on_reject: true }
      const { asked, url } = yield* fakeServer(() => json({ ...before, data: { ...before.data, react_config } }))
      yield* stoa({}, "agents", "update", "a1", "--max-iters", "5", "--url", url)
      assert.deepStrictEqual(asked[1]?.body, { react_config: { ...react_config, max_iters: 5 } })
    }))

  it.scopedLive("takes secrets from files and input, types from the schema, and shows neither", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer((_, line) => {
        switch (line) {
          case "GET /credential/schemas":
            return json({
              schemas: [{
                properties: {
                  type: { const: "acme_credential" },
                  retries: { type: "integer" },
                  strict: { type: "boolean" },
                  models: { type: "array" }
                }
              }]
            })
          case "POST /credential":
            return json({ credential_id: "c9" }, 201)
          default:
            return undefined
        }
      })
      const line = [
        "credentials",
        "create",
        "--type",
        "acme",
        "--set",
        "retries=3",
        "--set",
        "strict=true",
        "--set",
        "url=a=b",
        "--set",
        "models=[{\"name\":\"m\"}]"
      ]
      const piped = yield* stoa({ piped: "sekrit\n" }, ...line, "--secret-file", "api_key=-", "--url", url)
      assert.deepStrictEqual([piped.out, piped.err], ["c9\n", ""])
      assert.deepStrictEqual(asked[1]?.body, {
        data: {
          type: "acme_credential",
          retries: 3,
          strict: true,
          url: "a=b",
          models: [{ name: "m" }],
          api_key: "sekrit"
        }
      })
      const typed = yield* stoa(
        { isTerminal: true, typed: ["sekrit"] },
        "credentials",
        "create",
        "--type",
        "acme",
        "--secret-file",
        "api_key=-",
        "--url",
        url
      )
      assert.deepStrictEqual([typed.out, typed.err], ["c9\n", "api_key: "])
    }))

  it.scopedLive("changes a credential and leaves its secrets as they are", () =>
    Effect.gen(function*() {
      const stored = credential("c1", "acme_credential", { url: "old", api_key: "********" })
      const { asked, url } = yield* fakeServer((_, line) =>
        line.endsWith("/credential/c1") ? json(stored) : json({ schemas: [] })
      )
      const { code, out } = yield* stoa({}, "credentials", "update", "c1", "--set", "url=new", "--url", url)
      assert.strictEqual(code, 0)
      assert.include(out, "********")
      assert.deepStrictEqual(asked.at(-1)?.body, { data: { ...stored.data, url: "new" } })
    }))

  it.scopedLive("deletes a credential that is in use only with --force", () =>
    Effect.gen(function*() {
      const { lines, url } = yield* fakeServer((_, line) =>
        line.endsWith("force=true") ? empty(204) : problem("CredentialInUse", 409, "Used by the session 'talk'.")
      )
      const refused = yield* stoa({}, "credentials", "delete", "c1", "--yes", "--url", url)
      assert.deepStrictEqual([refused.code, refused.err], [1, "stoa: Used by the session 'talk'.\n"])
      assert.strictEqual((yield* stoa({}, "credentials", "delete", "c1", "--yes", "--force", "--url", url)).code, 0)
      assert.deepStrictEqual(lines(), ["DELETE /credential/c1?force=false", "DELETE /credential/c1?force=true"])
    }))

  it.scopedLive("tests a credential, and fails when it does not work", () =>
    Effect.gen(function*() {
      const error = { type: "authentication", message: "The provider does not accept the credential (401)." }
      const { lines, url } = yield* fakeServer((_, line) =>
        json(
          line.includes("good")
            ? { ok: true, latency_ms: 41, models: ["small", "large"], error: null }
            : { ok: false, latency_ms: 7, models: [], error }
        )
      )
      const good = yield* stoa({}, "credentials", "test", "good", "--url", url)
      assert.deepStrictEqual([good.code, good.err], [0, ""])
      for (const word of ["yes", "41 ms", "small, large"]) assert.include(good.out, word)
      const bad = yield* stoa({}, "credentials", "test", "bad", "-o", "json", "--url", url)
      assert.strictEqual(bad.code, 1)
      assert.deepStrictEqual(JSON.parse(bad.out).error, error)
      assert.include(bad.err, error.message)
      assert.deepStrictEqual(lines(), ["POST /credential/good/test", "POST /credential/bad/test"])
    }))

  it.scopedLive("rotates the vault's keys, waits for the end, and says what to do next", () =>
    Effect.gen(function*() {
      let asked = 0
      const rotation = (state: string, checked: number) => ({
        state,
        started_at: "2026-01-31T09:30:00.000Z",
        ended_at: null,
        fresh_key: true,
        total: 7,
        checked,
        resealed: checked,
        unreadable: 0
      })
      const key = (id: string, secrets: number | null, seals: boolean) => ({ id, seals, hashes: !seals, secrets })
      const status = (state: string, checked: number, counts: ReadonlyArray<number | null>) => ({
        source: "file",
        keys: [key("New", counts[0]!, true), key("Old", counts[1]!, false)],
        unreadable: 0,
        rotation: rotation(state, checked)
      })
      const { lines, url } = yield* fakeServer((_, line) => {
        if (line === "POST /vault/rotate") return json(rotation("running", 0), 202)
        if (line === "POST /vault/retire") return problem("Conflict", 409, "Only a minute after a rotation.")
        return json(asked++ === 0 ? status("running", 3, [null, null]) : status("done", 7, [7, 0]))
      })
      const done = yield* stoa({ isTerminal: true }, "vault", "rotate", "--url", url)
      assert.strictEqual(done.code, 0)
      assert.include(done.err, "3 of 7 secrets")
      for (const word of ["A fresh key", "7 secrets", "--retire", "recognises API keys"]) assert.include(done.out, word)
      assert.deepStrictEqual(lines(), ["POST /vault/rotate", "GET /vault", "GET /vault"])
      const early = yield* stoa({}, "vault", "rotate", "--retire", "--url", url)
      assert.deepStrictEqual([early.code, early.err], [1, "stoa: Only a minute after a rotation.\n"])
      const told = yield* stoa({}, "vault", "status", "-o", "json", "--url", url)
      assert.strictEqual(JSON.parse(told.out).keys[0].id, "New")
    }))

  it.scopedLive("prints a new key once, alone on standard output", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer(() =>
        json({
          id: "k1",
          user_id: "grace",
          name: "",
          scopes: ["read"],
          created_at: "2026-01-31T09:30:00.000Z",
          updated_at: "2026-01-31T09:30:00.000Z",
          expires_at: null,
          last_used_at: null,
          revoked_at: null,
          key: "stoa_new"
        }, 201)
      )
      const line = [
        "keys",
        "create",
        "--user",
        "grace",
        "--scope",
        "read",
        "--scope",
        "chat",
        "--expires",
        "2030-01-31"
      ]
      const { err, out } = yield* stoa({ env: { STOA_API_KEY: "stoa_admin" } }, ...line, "--url", url)
      assert.strictEqual(out, "stoa_new\n")
      assert.include(err, "k1")
      assert.deepInclude(asked[0]?.body, { scopes: ["read", "chat"], expires_at: "2030-01-31T00:00:00.000Z" })
    }))

  it.scopedLive("finds the newest credential of a model's provider", () =>
    Effect.gen(function*() {
      const { asked, url } = yield* fakeServer((_, line) => {
        switch (line) {
          case "GET /credential?limit=1000":
            return json(page("credentials", [
              { ...credential("c1", "acme_credential"), created_at: "2026-01-01T00:00:00.000Z" },
              { ...credential("c2", "acme_credential"), created_at: "2026-02-01T00:00:00.000Z" },
              { ...credential("c3", "other_credential"), created_at: "2026-03-01T00:00:00.000Z" }
            ]))
          case "POST /sessions":
            return json({ session_id: "s9" }, 201)
          default:
            return undefined
        }
      })
      const { out } = yield* stoa({}, "sessions", "create", "--agent", "a1", "--model", "acme:big:8b", "--url", url)
      assert.strictEqual(out, "s9\n")
      assert.deepStrictEqual(asked[1]?.body, {
        agent_id: "a1",
        chat_model_config: { type: "acme_credential", model: "big:8b", credential_id: "c2", parameters: {} }
      })
      const none = yield* stoa({}, "sessions", "create", "--agent", "a1", "--model", "nope:big", "--url", url)
      assert.deepStrictEqual([none.code, none.out], [3, ""])
    }))
})

describe("models", () => {
  const card = {
    type: "chat_model",
    name: "org/big:1",
    label: "Big",
    status: "deprecated",
    deprecated_at: "2026-12-11",
    input_types: ["text/plain", "image/png"],
    output_types: ["text/plain", "application/x-thinking"],
    context_size: 1_000_000,
    output_size: 64_000,
    parameter_schema: { type: "object", properties: { temperature: {}, max_tokens: {} } },
    parameters_overrides: {},
    structured_output: null,
    prices: { input: 2, output: 10, cached_input: 0.2, tiers: [{ above: 200_000, input: 4, output: 20 }] }
  }
  const server = fakeServer((_, line) => {
    switch (line) {
      case "GET /model?provider=big_credential":
        return json({ models: [card, { ...card, name: "other", prices: null, context_size: null }], total: 2 })
      case "GET /model/big_credential/org%2Fbig%3A1":
        return json(card)
      default:
        return undefined
    }
  })

  it.scopedLive("are listed with their sizes and prices", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const { out } = yield* stoa({}, "models", "list", "--provider", "big", "--url", url)
      assert.deepStrictEqual(out.split("\n").slice(0, 3).map((line) => line.split(/ {2,}/)), [
        ["MODEL", "STATUS", "CONTEXT", "OUTPUT", "$ IN / OUT", "LABEL"],
        ["big:org/big:1", "deprecated", "1000000", "64000", "2 / 10", "Big"],
        ["big:other", "deprecated", "-", "64000", "-", "Big"]
      ])
    }))

  it.scopedLive("are shown one by one, whatever is in their names", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const { out } = yield* stoa({}, "models", "show", "big", "org/big:1", "--url", url)
      assert.deepStrictEqual(Object.fromEntries(out.trimEnd().split("\n").map((line) => line.split(/ {2,}/))), {
        name: "org/big:1",
        label: "Big",
        status: "deprecated (ends 2026-12-11)",
        context: "1000000",
        output: "64000",
        takes: "text/plain image/png",
        gives: "text/plain",
        thinks: "yes",
        "$ per million": "input 2, output 10, cached input 0.2; over 200000 tokens: input 4, output 20",
        parameters: "temperature max_tokens"
      })
      assert.strictEqual((yield* stoa({}, "models", "show", "big", "none", "--url", url)).code, 3)
    }))
})

describe("version", () => {
  it.scopedLive("is the package's, and the server's when asked", () =>
    Effect.gen(function*() {
      const health = { status: "ok", version: "9.9.9", time: "2026-01-31T09:30:00.000Z", components: {} }
      const { url } = yield* fakeServer(() => json(health))
      assert.match((yield* stoa({}, "version")).out, /^stoa \d+\.\d+\.\d+\n$/)
      assert.strictEqual((yield* stoa({}, "--version")).out, (yield* stoa({}, "version")).out)
      const { out } = yield* stoa({}, "version", "--server", "-o", "json", "--url", url)
      assert.propertyVal(JSON.parse(out), "server", "9.9.9")
    }))
})
