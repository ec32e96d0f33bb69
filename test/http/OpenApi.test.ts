import SwaggerParser from "@apidevtools/swagger-parser"
import { OpenApi } from "@effect/platform"
import { assert, describe, it, layer } from "@effect/vitest"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import { Effect, Layer } from "effect"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join, resolve } from "node:path"
import type { UserId } from "../../src/domain/Ids.ts"
import { Api } from "../../src/http/Api.ts"
import { fields } from "../../src/http/api/FieldWords.ts"
import { parameters as parameterWords } from "../../src/http/api/ParameterWords.ts"
import { schemas as schemaWords } from "../../src/http/api/SchemaWords.ts"
import * as Stoa from "../../src/layers/Host.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { endpoints } from "../support/endpoints.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { block, png } from "../support/pictures.ts"
import { spectral } from "../support/Spectral.ts"
import { leftTask } from "../support/tasks.ts"
import * as TestHost from "../support/TestHost.ts"
import { temporary } from "../support/workspaces.ts"
import { skillMd, skillZip } from "../support/zips.ts"

const { TestHost: Host } = TestHost

/** Written anew with `STOA_GOLDEN=write`. */
const golden = resolve(import.meta.dirname, "../support/golden/openapi.json")

const document = `${JSON.stringify(OpenApi.fromApi(Api), null, 1)}\n`

/** Other people's tools load slowly on a busy machine. */
const slow = 120_000

interface Schema {
  readonly [key: string]: unknown
  readonly description?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
}

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly description: string
  readonly example?: unknown
  readonly schema: Schema
}

type Content = Readonly<Record<string, { readonly schema: Schema; readonly example?: object }>>

interface Response {
  readonly $ref?: string
  readonly description?: string
  readonly content?: Content
}

interface Operation {
  readonly operationId: string
  readonly summary?: string
  readonly description?: string
  readonly "x-required-scope"?: string
  readonly tags: ReadonlyArray<string>
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly content: Content }
  readonly responses: Readonly<Record<string, Response>>
  readonly security: ReadonlyArray<object>
}

interface Document {
  readonly openapi: string
  readonly servers: ReadonlyArray<{ readonly url: string }>
  readonly tags: ReadonlyArray<{ readonly name: string; readonly description?: string }>
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>
    readonly responses: Readonly<Record<string, Response>>
  }
}

/** A copy each time: some of the tools change what they are given. */
const parsed = (): Document => JSON.parse(document)

const spec = parsed()

const operations = Object.values(spec.paths).flatMap((path) => Object.values(path))

/** Where the words of a parameter stand: those of one operation, or those of all that have it. */
const wordsOf = (operationId: string, name: string) =>
  `${operationId}.${name}` in parameterWords ? `${operationId}.${name}` : name

/** The properties of a schema, however deep, with the place where each is. */
const propertiesIn = (value: unknown, at: string): ReadonlyArray<readonly [string, string, Schema]> => {
  if (Array.isArray(value)) return value.flatMap((one) => propertiesIn(one, at))
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "example"
      ? []
      : key === "properties"
      ? Object.entries(inner as Readonly<Record<string, Schema>>).flatMap(([name, schema]) => [
        [at, name, schema] as const,
        ...propertiesIn(schema, `${at}.${name}`)
      ])
      : propertiesIn(inner, at)
  )
}

const properties = [
  ...Object.entries(spec.components.schemas).flatMap(([name, schema]) => propertiesIn(schema, name)),
  ...propertiesIn(spec.paths, "paths")
]

describe("The OpenAPI document", () => {
  it("is the one that was agreed on", () => {
    if (process.env["STOA_GOLDEN"] === "write") writeFileSync(golden, document)
    assert.strictEqual(
      document,
      readFileSync(golden, "utf8"),
      "The API has changed. If that is meant: STOA_GOLDEN=write npx vitest run test/http/OpenApi.test.ts"
    )
  })

  it("is valid for swagger-parser", { timeout: slow }, async () => {
    await SwaggerParser.validate(JSON.parse(document))
  })

  it("leaves redocly's recommended rules nothing to say", { timeout: slow }, async () => {
    const config = await createConfig({ extends: ["recommended"], telemetry: "off" })
    const problems = await lintFromString({ source: document, absoluteRef: golden, config })
    assert.deepStrictEqual(problems.map(({ location, message, ruleId }) => [ruleId, message, location[0]?.pointer]), [])
  })

  it("leaves spectral's rules for OpenAPI nothing to say", { timeout: slow }, async () => {
    const problems = await spectral(JSON.parse(document))
    assert.deepStrictEqual(problems.map(({ code, message, path }) => [code, message, path.join(".")]), [])
  })

  it("describes every endpoint, in a few words and by its tag", () => {
    assert.strictEqual(spec.openapi, "3.1.0")
    assert.sameMembers(operations.map(({ operationId }) => operationId), endpoints.map(({ name }) => name))
    const tags = new Map(spec.tags.map(({ description, name }) => [name, description]))
    for (const { operationId, summary, tags: [tag] } of operations) {
      assert.isNotEmpty(summary, operationId)
      assert.isNotEmpty(tags.get(tag!), operationId)
    }
    assert.strictEqual(new Set(operations.map(({ summary }) => summary)).size, operations.length)
  })

  it("says of every endpoint which scope it needs", () => {
    for (const { name, scope } of endpoints) {
      const operation = operations.find(({ operationId }) => operationId === name)!
      assert.strictEqual(operation["x-required-scope"] ?? null, scope!, name)
      if (scope !== null) assert.include(operation.description, `Needs the scope \`${scope}\`.`)
      if (scope !== null) assert.deepStrictEqual(operation.security, [{ user: [] }, { key: [] }], name)
    }
  })

  it("says in words of a person what every schema, field and parameter is", () => {
    const names = Object.keys(spec.components.schemas)
    for (const name of names) assert.isNotEmpty(schemaWords[name], `schema ${name}: say it in SchemaWords.ts`)
    for (const [at, name, { description }] of properties) {
      assert.isNotEmpty(description, `${at}.${name}: say it in FieldWords.ts`)
    }
    for (const { operationId, parameters } of operations) {
      for (const { description, name } of parameters) {
        const words = parameterWords[wordsOf(operationId, name)]
        assert.strictEqual(description, words, `${operationId} ${name}: say it in ParameterWords.ts`)
        assert.isNotEmpty(description, `${operationId} ${name}`)
      }
    }
  })

  it("has no words for what is not there", () => {
    assert.sameMembers(Object.keys(schemaWords), Object.keys(spec.components.schemas))
    assert.sameMembers(
      Object.keys(parameterWords),
      [
        ...new Set(
          operations.flatMap(({ operationId, parameters }) => parameters.map(({ name }) => wordsOf(operationId, name)))
        )
      ]
    )
    const used = new Set(properties.map(([at, name]) => `${at}.${name}` in fields ? `${at}.${name}` : name))
    assert.sameMembers(Object.keys(fields), [...used])
  })

  it("shows nothing of the library that it is made with", () => {
    for (
      const word of [
        "\"title\": \"",
        "/schemas/unknown",
        "\"$id\"",
        "_tag",
        "NumberFromString",
        "NonEmptyString",
        "NonNegativeInt",
        "minLength(",
        "a string at least",
        "a string to be decoded",
        "HttpApiDecodeError",
        "itemSchema"
      ]
    ) {
      const text = JSON.stringify([spec.components.schemas, spec.paths], null, 1)
      assert.notInclude(text, word)
    }
  })

  it("has numbers and flags of queries as numbers and flags, with what they are when left out", () => {
    const kinds = { limit: "integer", offset: "integer", force: "boolean" } as Readonly<Record<string, string>>
    const found = operations.flatMap(({ parameters }) => parameters).filter(({ name }) => name in kinds)
    assert.isNotEmpty(found)
    for (const { name, schema } of found) {
      assert.strictEqual(schema.type, kinds[name])
      // A page of a transcript is another one with any offset than without.
      if (name === "offset") assert.notProperty(schema, "default")
      else assert.property(schema, "default")
      if (schema.type === "integer") assert.containsAllKeys(schema, ["minimum", "maximum"])
    }
  })

  it("gives an operation only the problems that it can give, each as a problem document", () => {
    for (const { operationId, parameters, requestBody, responses } of operations) {
      const hasBody = requestBody !== undefined
      assert.strictEqual("413" in responses, hasBody, operationId)
      assert.strictEqual("415" in responses, hasBody, operationId)
      assert.strictEqual("422" in responses, hasBody || parameters.length > 0, operationId)
      assert.containsAllKeys(responses, ["400", "500"], operationId)
      assert.doesNotHaveAnyKeys(responses, ["405", "default"], operationId)
      for (const [status, { $ref, content }] of Object.entries(responses)) {
        if (Number(status) < 400 || (status === "503" && ["health.health", "health.readiness"].includes(operationId))) {
          continue
        }
        const problem = $ref === undefined ? content : spec.components.responses[$ref.split("/").at(-1)!]?.content
        assert.deepStrictEqual(Object.keys(problem ?? {}), ["application/problem+json"], `${operationId} ${status}`)
      }
    }
    const limited = operations.filter(({ responses }) => "429" in responses).map(({ operationId }) => operationId)
    assert.sameMembers(limited, [
      "chat.send",
      "chat.stream",
      "chat.reply",
      "chat.async",
      "runs.retry",
      "sessions.compact",
      "embeddings.create",
      "credentials.test",
      "schedules.create",
      "notifications.create",
      "workspaces.status",
      "workspaces.directories",
      "workspaces.read",
      "workspaces.write",
      "workspaces.removeFile",
      "workspaces.token",
      "mcpServers.add",
      "mcpServers.addToLibrary",
      "skills.inWorkspace",
      "skills.add",
      "skills.upload",
      "skills.uploadToLibrary",
      "hubs.installSkill",
      "hubs.installMcp"
    ])
    assert.deepStrictEqual(Object.keys(spec.paths["/liveness"]!["get"]!.responses), ["200", "400", "500"])
  })

  it("says what the frames of a stream hold, and has one type for each of the other answers", () => {
    const streams = operations.filter(({ responses }) => responses["200"]?.content?.["text/event-stream"] !== undefined)
    assert.sameMembers(streams.map(({ operationId }) => operationId), ["chat.send", "chat.stream", "sessions.stream"])
    for (const { responses } of streams) {
      assert.deepInclude(responses["200"]!.content!["text/event-stream"]!.schema, {
        type: "string",
        contentSchema: { type: "array", items: { $ref: "#/components/schemas/AgentEvent" } }
      })
    }
    const successOf = (path: string) =>
      Object.entries(spec.paths[path]!["post"]!.responses).filter(([status]) => Number(status) < 400)
        .flatMap(([status, { content }]) => Object.keys(content ?? {}).map((type) => [status, type]))
    assert.deepStrictEqual(successOf("/chat/stream"), [["200", "text/event-stream"]])
    assert.deepStrictEqual(successOf("/chat/reply"), [["200", "application/json"]])
    assert.deepStrictEqual(successOf("/chat/async"), [["202", "application/json"]])
    assert.deepInclude(spec.paths["/chat/reply"]!["post"]!.responses["200"]!.content!["application/json"]!.schema, {
      $ref: "#/components/schemas/Message"
    })
  })
})

const hubs = [resolve(import.meta.dirname, "../support/hub")]

layer(TestHost.layer({ host: Layer.fresh(Stoa.over(Stoa.memory, { hubs })) }), { excludeTestServices: true })(
  "The documents",
  (it) => {
    it.effect("the OpenAPI document is served to anybody", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        assert.deepStrictEqual((yield* call("GET", "/openapi.json")).json, spec)
      }))

    for (const path of ["/docs", "/docs/", "/docs/swagger"]) {
      it.effect(`${path} is shown to anybody, asks no other host for anything, and runs no script but its own`, () =>
        Effect.gen(function*() {
          const { call } = yield* Host
          const { headers, status, text } = yield* call("GET", path)
          assert.strictEqual(status, 200)
          assert.include(headers["content-type"], "text/html")
          assert.notMatch(text, /<(script|link|img|iframe)[^>]+(src|href)=/)
          const policy = headers["content-security-policy"]!
          const sources = new Map(policy.split("; ").map((one) => [one.split(" ")[0], one.split(" ").slice(1)]))
          const hashes = [...text.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) =>
            `'sha256-${createHash("sha256").update(script!).digest("base64")}'`
          )
          assert.isNotEmpty(hashes)
          const more = path.includes("swagger") ? [] : ["'wasm-unsafe-eval'"]
          assert.deepStrictEqual(sources.get("script-src"), [...more, ...hashes])
          assert.deepStrictEqual(sources.get("default-src"), ["'none'"])
          assert.deepStrictEqual(sources.get("connect-src"), ["'self'"])
          assert.deepStrictEqual(sources.get("font-src"), ["data:"])
          assert.deepStrictEqual(sources.get("frame-ancestors"), ["'none'"])
        }))
    }

    it.effect("both pages know who asks before their reader says so, and lead nowhere else", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { text: swagger } = yield* call("GET", "/docs/swagger")
        assert.include(swagger, `window.ui.preauthorizeApiKey("user", "local")`)
        assert.include(swagger, "validatorUrl: null")
        const { text: scalar } = yield* call("GET", "/docs")
        const configuration = JSON.parse(/dataset\.configuration = JSON\.stringify\((.*)\)\n/.exec(scalar)![1]!)
        assert.deepInclude(configuration, {
          hideClientButton: true,
          showToolbar: "never",
          telemetry: false,
          withDefaultFonts: false,
          authentication: { preferredSecurityScheme: "user", securitySchemes: { user: { value: "local" } } }
        })
        assert.notProperty(configuration, "proxyUrl")
      }))

    it.scoped("every example works when it is tried, with the ids of one's own things", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { issue } = yield* ApiKeys
        const { key } = yield* issue({
          user_id: "local" as UserId,
          name: "",
          scopes: ["read", "write", "chat", "admin"],
          expires_at: null
        })
        const ids: Record<string, string> = {}
        const placeholder = /"(agent_id|credential_id|session_id)":"\1"/g
        // The one address in the examples is that of a server of the reader's own.
        const { url } = yield* atAddress()
        // And the one folder is one of the server that the tests run on.
        const folder = yield* temporary
        yield* Effect.promise(() => writeFile(join(folder, "SKILL.md"), skillMd("pdf")))
        const withIds = (text: string) =>
          text.replace(placeholder, (_, name: string) => `"${name}":"${ids[name]}"`)
            .replace("https://notes.example.com/mcp", url)
            .replace("/srv/skills/pdf", folder)
        const tried = new Set<string>()
        const attempt = Effect.fnUntraced(function*(method: string, path: string) {
          const { operationId, parameters, requestBody } = spec.paths[path]![method]!
          ids["card_id"] = operationId.includes("kill") ? "office/letters" : "open"
          tried.add(operationId)
          // As a form shows it: examples, and the values of what may be left out.
          const valueOf = ({ example, name, schema }: Parameter) => ids[name] ?? example ?? schema["default"]
          const params = new Map(parameters.map((one) => [one.name, String(valueOf(one))]))
          const inPath = path.replace(/\{(\w+)\}/g, (_, name: string) => params.get(name)!)
          const query = parameters.flatMap((one) => {
            const given = one.required ? ids[one.name] : undefined
            const value = one.in === "query" ? given ?? one.example ?? one.schema["default"] : undefined
            assert.isFalse(one.in === "query" && one.required && value === undefined, `${operationId} ${one.name}`)
            return value === undefined ? [] : [[one.name, String(value)] as const]
          })
          const example = requestBody?.content["application/json"]?.example
          const takesBytes = requestBody?.content["application/octet-stream"] !== undefined
          if (requestBody !== undefined && !takesBytes) assert.isDefined(example, operationId)
          const { json, status, text } = yield* call(
            method.toUpperCase(),
            `${inPath}?${new URLSearchParams(Object.fromEntries(query))}`,
            {
              headers: {
                authorization: `Bearer ${key}`,
                ...example !== undefined && { "content-type": "application/json" },
                ...operationId.startsWith("skills.upload") && { "content-type": "application/zip" }
              },
              ...example !== undefined && { text: withIds(JSON.stringify(example)) },
              ...operationId.startsWith("skills.upload") && { body: skillZip("forms") }
            }
          )
          assert.isBelow(status, 300, `${operationId}: ${text}`)
          for (
            const name of [
              "agent_id",
              "credential_id",
              "session_id",
              "run_id",
              "schedule_id",
              "notification_id",
              "delivery_id"
            ]
          ) {
            if (json?.[name]) ids[name] = json[name]
          }
          if (operationId === "keys.create") ids["key_id"] = json.id
          if (operationId === "mcpServers.addToLibrary") ids["mcp_id"] = json.id
          if (operationId === "skills.uploadToLibrary") ids["skill_id"] = json.id
        })
        for (const path of ["/agent", "/credential", "/sessions", "/schedule", "/notification", "/keys"]) {
          yield* attempt("post", path)
        }
        yield* attempt("post", "/notification/{notification_id}/test")
        ids["job_id"] = (yield* call("GET", "/jobs", { headers: { authorization: `Bearer ${key}` } })).json.jobs[0].id
        const picture = png(20_000)
        ids["hash"] = createHash("sha256").update(picture).digest("hex")
        const { agent_id, session_id } = ids
        const shown = yield* call("POST", "/chat/reply", {
          headers: { authorization: `Bearer ${key}` },
          body: { agent_id, session_id, input: { content: [block(picture)] } }
        })
        assert.strictEqual(shown.status, 200, shown.text)
        for (const path of ["/chat", "/chat/stream", "/chat/reply", "/chat/async"]) yield* attempt("post", path)
        ids["mcp_name"] = "notes"
        ids["skill_name"] = "forms"
        ids["hub_id"] = "house"
        for (const path of ["/workspace/mcp", "/mcp/servers", "/workspace/skill", "/skill/upload"]) {
          yield* attempt("post", path)
        }
        yield* attempt("put", "/workspace/files")
        const { workspaces } = (yield* call("GET", "/workspaces", { headers: { authorization: `Bearer ${key}` } })).json
        ids["workspace_key"] = workspaces[0].id
        const { agent_id: ofAgent, id, user_id } = (yield* call("GET", `/sessions/${session_id}`, {
          headers: { authorization: `Bearer ${key}` }
        })).json
        ids["task_id"] = (yield* leftTask({ id, user_id, agent_id: ofAgent })).id
        for (const [path, operations] of Object.entries(spec.paths)) {
          for (const [method, { operationId }] of Object.entries(operations)) {
            // A stream of a session ends when its reader leaves, nothing can be retired from keys in settings, and nothing
            // is given up yet that could be tried again. No tool asks anything. No server wants an authorization.
            const isElse =
              ["sessions.stream", "notifications.resend", "jobs.retry", "elicitations.answer"].includes(operationId)
              || operationId.startsWith("vault.r") || operationId.startsWith("mcpServers.authorize")
            if (!tried.has(operationId) && !isElse && method !== "delete") {
              yield* attempt(method, path)
            }
          }
        }
        for (
          const path of [
            "/schedule/{schedule_id}",
            "/notification/{notification_id}",
            "/workspace/files",
            "/workspace/mcp/{mcp_name}",
            "/mcp/{mcp_id}",
            "/background-tasks/{session_id}/{task_id}",
            "/workspace/skill/{skill_name}",
            "/skill/{skill_id}",
            "/workspaces/{workspace_key}",
            "/keys/{key_id}",
            "/sessions/{session_id}",
            "/credential/{credential_id}",
            "/agent/{agent_id}"
          ]
        ) {
          yield* attempt("delete", path)
        }
        assert.strictEqual(tried.size, operations.length - 9)
      }))
  }
)
