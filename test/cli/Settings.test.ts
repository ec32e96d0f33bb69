import { FileSystem } from "@effect/platform"
import { SystemError } from "@effect/platform/Error"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Option, Redacted } from "effect"
import { type Env, type Flags, load, read, variableOf } from "../../src/cli/Settings.ts"
import {
  expectationOf,
  isLoopback,
  refusal,
  settingNames,
  type Settings,
  trustsUserHeader
} from "../../src/domain/Settings.ts"

const yaml = (text: string) => Option.some({ path: "stoa.yaml", text })

const settings = (flags: Flags = {}, env: Env = {}, text = ""): Settings =>
  Either.getOrThrow(load(flags, env, yaml(text)))

const problems = (flags: Flags, env: Env = {}, text = ""): ReadonlyArray<string> =>
  Either.match(load(flags, env, yaml(text)), { onLeft: (refused) => refused.problems, onRight: () => [] })

describe("Settings", () => {
  it("have defaults for a first start", () => {
    const defaults = {
      host: "127.0.0.1",
      port: 8000,
      data_dir: ".stoa",
      trust_user_header: false,
      cors_origins: [],
      allowed_hosts: [],
      outbound_hosts: [],
      hooks: [],
      receivers: [],
      hubs: [],
      max_files_mb: 20,
      drain_seconds: 10,
      run_seconds: 3600,
      tool_seconds: 300,
      delegation_depth: 3,
      handler_threads: 32,
      background_seconds: 10,
      task_seconds: 3600,
      model_first_byte_seconds: 60,
      model_idle_seconds: 60,
      parked_hours: 168,
      schedule_min_seconds: 10,
      session_titles: false,
      session_title_models: [],
      mail_from: "stoa@localhost",
      workspace: "auto",
      workspace_isolation: "agent",
      workspace_max_mb: 1_024,
      workspace_max_files: 50_000,
      workspace_processes: 128,
      workspace_memory_mb: 1_024,
      workspace_cpu_seconds: 600,
      workspace_idle_seconds: 3_600,
      docker_host: "unix:///var/run/docker.sock",
      docker_image: "debian:stable-slim",
      docker_network: "none",
      e2b_domain: "e2b.app",
      e2b_template: "base",
      e2b_internet: false,
      watch: false,
      retain_days: 0,
      channels: {},
      dashboard: true,
      channel_retain_hours: 24,
      keep_alive_seconds: 75,
      log_requests: true,
      worker_only: false,
      accept_new_vault_key: false,
      log_level: "info"
    }
    assert.deepEqual<unknown>(settings(), defaults)
    assert.deepEqual<unknown>(Either.getOrThrow(load({}, {}, Option.none())), defaults)
    assert.deepEqual<unknown>(settings({}, {}, "# nothing\n"), defaults)
  })

  it("come from flags, then environment, then stoa.yaml", () => {
    const env = { STOA_PORT: "2", STOA_HOST: "env" }
    const text = "port: 3\nhost: file\ndata_dir: there"
    const { data_dir, host, port } = settings({ port: 1 }, env, text)
    assert.deepEqual({ port, host, data_dir }, { port: 1, host: "env", data_dir: "there" })
  })

  it("are all understood in the environment", () => {
    const secret = `whsec_${"A".repeat(32)}`
    const { database_url, hooks, receivers, smtp_url, vault_key, ...rest } = settings({}, {
      STOA_HOST: "0.0.0.0",
      STOA_PORT: "0",
      STOA_DATA_DIR: "/var/lib/stoa",
      STOA_DATABASE_URL: "postgres://u:p@db/stoa",
      STOA_TRUST_USER_HEADER: "true",
      STOA_CORS_ORIGINS: "https://a.example, http://localhost:3000,",
      STOA_ALLOWED_HOSTS: "a.example,[::1]:8000",
      STOA_PUBLIC_URL: "https://a.example:8443/stoa",
      STOA_OUTBOUND_HOSTS: "ollama.internal:11434, 10.1.0.0/16,gpu,10.0.0.7,10.0.0.7:80,[fd00::1]:80,fd00::/8,fd00::1",
      STOA_HUBS: "/srv/hub,https://hub.example.com/hub.json",
      STOA_MAX_FILES_MB: "5",
      STOA_DRAIN_SECONDS: "0.5",
      STOA_RUN_SECONDS: "60",
      STOA_TOOL_SECONDS: "1.5",
      STOA_DELEGATION_DEPTH: "5",
      STOA_HANDLER_THREADS: "4",
      STOA_BACKGROUND_SECONDS: "0.5",
      STOA_TASK_SECONDS: "90",
      STOA_MODEL_FIRST_BYTE_SECONDS: "120",
      STOA_MODEL_IDLE_SECONDS: "0.5",
      STOA_PARKED_HOURS: "0",
      STOA_SCHEDULE_MIN_SECONDS: "0.5",
      STOA_RECEIVERS: JSON.stringify([{ name: "ops", url: "https://ops.example/hook", secret }]),
      STOA_SMTP_URL: "smtps://u:p@mail.example",
      STOA_SESSION_TITLES: "1",
      STOA_SESSION_TITLE_MODELS: "openai_credential:gpt-5-nano, ollama_credential:qwen3:4b",
      STOA_MAIL_FROM: "Stoa <stoa@a.example>",
      STOA_WORKSPACE: "local",
      STOA_WORKSPACE_ISOLATION: "session",
      STOA_WORKSPACE_DIR: "/srv/workspaces",
      STOA_WORKSPACE_MAX_MB: "100",
      STOA_WORKSPACE_MAX_FILES: "1000",
      STOA_WORKSPACE_PROCESSES: "16",
      STOA_WORKSPACE_MEMORY_MB: "256",
      STOA_WORKSPACE_CPU_SECONDS: "30",
      STOA_WORKSPACE_IDLE_SECONDS: "60",
      STOA_DOCKER_HOST: "tcp://docker.internal:2375",
      STOA_DOCKER_IMAGE: "python:3.13-slim",
      STOA_DOCKER_NETWORK: "agents",
      STOA_DOCKER_DIR: "/mnt/workspaces",
      STOA_E2B_DOMAIN: "sandboxes.example",
      STOA_E2B_API_URL: "https://api.example",
      STOA_E2B_SANDBOX_URL: "https://envd.example",
      STOA_E2B_TEMPLATE: "python",
      STOA_E2B_INTERNET: "true",
      STOA_DEFINITIONS_DIR: "/srv/definitions",
      STOA_WATCH: "true",
      STOA_RETAIN_DAYS: "30",
      STOA_DASHBOARD: "{\"title\": \"Our agents\", \"accent\": \"#007a5a\", \"logo\": \"brand/logo.svg\"}",
      STOA_CHANNELS:
        "{\"chat_completions\":{\"mount\":\"/openai\",\"agent\":\"Ada\",\"idle_hours\":2},\"other\":false}",
      STOA_HOOKS: JSON.stringify([{ url: "https://guard.example/hook", secret, points: ["tool.before"], timeout: 2 }]),
      STOA_CHANNEL_RETAIN_HOURS: "0.5",
      STOA_ACCEPT_NEW_VAULT_KEY: "true",
      STOA_VAULT_KEY: "k",
      STOA_MAX_CONNECTIONS: "500",
      STOA_KEEP_ALIVE_SECONDS: "620",
      STOA_LOG_REQUESTS: "false",
      STOA_WORKER_ONLY: "true",
      STOA_LOG_LEVEL: "debug",
      STOA_URL: "http://localhost:8000",
      STOA_API_KEY: "stoa_1_x",
      STOA_USER: "ada",
      PATH: "/bin"
    })
    assert.deepEqual<unknown>(rest, {
      host: "0.0.0.0",
      port: 0,
      data_dir: "/var/lib/stoa",
      trust_user_header: true,
      cors_origins: ["https://a.example", "http://localhost:3000"],
      allowed_hosts: ["a.example", "[::1]:8000"],
      public_url: "https://a.example:8443/stoa",
      outbound_hosts: [
        "ollama.internal:11434",
        "10.1.0.0/16",
        "gpu",
        "10.0.0.7",
        "10.0.0.7:80",
        "[fd00::1]:80",
        "fd00::/8",
        "fd00::1"
      ],
      hubs: ["/srv/hub", "https://hub.example.com/hub.json"],
      max_files_mb: 5,
      drain_seconds: 0.5,
      run_seconds: 60,
      tool_seconds: 1.5,
      delegation_depth: 5,
      handler_threads: 4,
      background_seconds: 0.5,
      task_seconds: 90,
      model_first_byte_seconds: 120,
      model_idle_seconds: 0.5,
      parked_hours: 0,
      schedule_min_seconds: 0.5,
      session_titles: true,
      session_title_models: ["openai_credential:gpt-5-nano", "ollama_credential:qwen3:4b"],
      mail_from: "Stoa <stoa@a.example>",
      workspace: "local",
      workspace_isolation: "session",
      workspace_dir: "/srv/workspaces",
      workspace_max_mb: 100,
      workspace_max_files: 1_000,
      workspace_processes: 16,
      workspace_memory_mb: 256,
      workspace_cpu_seconds: 30,
      workspace_idle_seconds: 60,
      docker_host: "tcp://docker.internal:2375",
      docker_image: "python:3.13-slim",
      docker_network: "agents",
      docker_dir: "/mnt/workspaces",
      e2b_domain: "sandboxes.example",
      e2b_api_url: "https://api.example",
      e2b_sandbox_url: "https://envd.example",
      e2b_template: "python",
      definitions_dir: "/srv/definitions",
      watch: true,
      e2b_internet: true,
      retain_days: 30,
      channels: { chat_completions: { mount: "/openai", agent: "Ada", idle_hours: 2 }, other: false },
      dashboard: { title: "Our agents", accent: "#007a5a", logo: "brand/logo.svg" },
      channel_retain_hours: 0.5,
      max_connections: 500,
      keep_alive_seconds: 620,
      log_requests: false,
      worker_only: true,
      accept_new_vault_key: true,
      log_level: "debug"
    })
    assert.strictEqual(Redacted.value(database_url!), "postgres://u:p@db/stoa")
    assert.deepEqual<unknown>(
      hooks.map(({ secret, url, ...more }) => ({ ...more, url: Redacted.value(url), secret: Redacted.value(secret) })),
      [{ url: "https://guard.example/hook", secret, points: ["tool.before"], timeout: 2 }]
    )
    assert.notInclude(JSON.stringify([hooks, receivers]), ".example")
    assert.deepEqual<unknown>(
      receivers.map(({ name, secret, url }) => [name, Redacted.value(url), secret && Redacted.value(secret)]),
      [["ops", "https://ops.example/hook", secret]]
    )
    assert.strictEqual(Redacted.value(smtp_url!), "smtps://u:p@mail.example")
    assert.strictEqual(Redacted.value(vault_key!), "k")
  })

  it("are all understood in stoa.yaml", () => {
    const { cors_origins, drain_seconds, port, trust_user_header, vault_key } = settings(
      {},
      {},
      "port: 9000\ntrust_user_header: true\ncors_origins:\n  - https://a.example\ndrain_seconds: 30\nvault_key: k\nlog_level:\n"
    )
    assert.deepEqual<unknown>({ port, trust_user_header, cors_origins, drain_seconds }, {
      port: 9000,
      trust_user_header: true,
      cors_origins: ["https://a.example"],
      drain_seconds: 30
    })
    assert.strictEqual(Redacted.value(vault_key!), "k")
  })

  it("count an empty variable as not set", () => {
    assert.strictEqual(settings({}, { STOA_PORT: "", STOA_UNHEARD: "" }, "port: 5").port, 5)
  })

  it("have words for what each must be", () => {
    for (const name of settingNames) assert.match(expectationOf(name), / /, name)
  })

  it("refuse a wrong value, name its place and what is expected, and never repeat it", () => {
    const wrong: Record<string, ReadonlyArray<string>> = {
      host: ["http://hunter2", "hunter2 x"],
      port: ["hunter2", "65536", "-1", "80.5", "0x50", "1e3"],
      data_dir: ["hunter2\0"],
      database_url: ["hunter2", "mysql://hunter2"],
      trust_user_header: ["hunter2", "yes"],
      cors_origins: ["*", "hunter2", "https://hunter2/path", "https://*.hunter2"],
      allowed_hosts: ["hunter2/x", "*"],
      public_url: ["hunter2", "https://hunter2/", "https://hunter2?a=b", "ftp://hunter2", "https://u:p@hunter2"],
      hubs: ["hunter2\0"],
      outbound_hosts: [
        "http://hunter2",
        "hunter2/8",
        "hunter2:",
        "hunter2:0",
        "hunter2:65536",
        "10.0.0.0/33",
        "10.0.0/8",
        "300.1.1.1",
        "fd00::/129",
        "fd00:::1",
        "*.hunter2"
      ],
      max_files_mb: ["hunter2", "33", "0"],
      drain_seconds: ["hunter2", "601", "-1"],
      run_seconds: ["hunter2", "86401", "-1"],
      tool_seconds: ["hunter2", "0", "86401"],
      delegation_depth: ["hunter2", "-1", "1.5", "11"],
      handler_threads: ["hunter2", "0", "1.5", "1001"],
      background_seconds: ["hunter2", "-1", "86401"],
      task_seconds: ["hunter2", "0", "86401"],
      model_first_byte_seconds: ["hunter2", "0", "3601"],
      model_idle_seconds: ["hunter2", "0", "3601"],
      parked_hours: ["hunter2", "-1"],
      schedule_min_seconds: ["hunter2", "0", "61"],
      smtp_url: ["hunter2", "http://mail.example"],
      mail_from: ["hunter2", "a@b\r\nBcc: c@d", "<a@b", "a b@c"],
      retain_days: ["hunter2", "-1"],
      channels: [
        "hunter2",
        "[]",
        "{\"A\":true}",
        "{\"a\":1}",
        "{\"a\":{\"mout\":\"/v1\"}}",
        "{\"a\":{\"mount\":\"v1\"}}",
        "{\"a\":{\"mount\":\"/v1/\"}}"
      ],
      dashboard: [
        "hunter2",
        "{\"titel\": \"x\"}",
        "{\"accent\": \"red\"}",
        "{\"logo\": \"/etc/passwd\"}",
        "{\"title\": \"a\\nb\"}"
      ],
      channel_retain_hours: ["hunter2", "0"],
      max_connections: ["hunter2", "0", "1.5"],
      keep_alive_seconds: ["hunter2", "0", "3601"],
      log_requests: ["hunter2", "yes"],
      worker_only: ["hunter2", "yes"],
      log_level: ["hunter2", "verbose"]
    }
    for (const name of settingNames) {
      for (const value of wrong[name] ?? []) {
        const expected = `${variableOf(name)}: expected ${expectationOf(name)}.`
        assert.deepEqual(problems({}, { [variableOf(name)]: value }), [expected], value)
      }
    }
    assert.deepEqual(problems({ port: 70_000 }), [
      "--port: expected a port from 0 to 65535, where 0 takes any free one."
    ])
    assert.deepEqual(problems({ data_dir: "" }), ["--data-dir: expected the path of a folder."])
    assert.deepEqual(problems({}, {}, "port: \"8000\"\nvault_key: [hunter2]"), [
      "port in stoa.yaml: expected a port from 0 to 65535, where 0 takes any free one.",
      "vault_key in stoa.yaml: expected 32 bytes as base64 or hex, several separated by commas."
    ])
  })

  it("refuse a wrong value even where a stronger source replaces it", () => {
    assert.lengthOf(problems({ port: 1 }, { STOA_PORT: "x" }, "port: y"), 2)
  })

  it("refuse an unknown name, and guess which was meant", () => {
    const guesses: Record<string, string> = {
      prot: " Did you mean port?",
      Host: " Did you mean host?",
      "data-dir": " Did you mean data_dir?",
      databse_url: " Did you mean database_url?",
      trust_header: " Did you mean trust_user_header?",
      zzz: ""
    }
    for (const [name, guess] of Object.entries(guesses)) {
      assert.deepEqual(problems({}, {}, `${name}: 1`), [`${name} in stoa.yaml: there is no such setting.${guess}`])
    }
    assert.deepEqual(problems({}, { STOA_PROT: "1" }), [
      "STOA_PROT: there is no such variable. Did you mean STOA_PORT?"
    ])
    assert.deepEqual(problems({}, { STOA_XYZZY: "1" }), ["STOA_XYZZY: there is no such variable."])
    assert.deepEqual(problems({}, { STOA_VAULT_KEY_FIL: "1" }), [
      "STOA_VAULT_KEY_FIL: there is no such variable. Did you mean STOA_VAULT_KEY_FILE?"
    ])
  })

  it("tell of every problem at once", () => {
    assert.lengthOf(problems({ port: -1 }, { STOA_PROT: "1", STOA_LOG_LEVEL: "x" }, "drain_seconds: 999\nx: 1"), 5)
  })

  it("refuse a file that is not YAML or not a list of names, without quoting it", () => {
    assert.deepEqual(problems({}, {}, "port: 1\nvault_key: \"hunter2\nport: 2"), [
      "stoa.yaml: line 3 is not valid YAML (MISSING_CHAR)."
    ])
    assert.deepEqual(problems({}, {}, "port: 1\nport: 2"), ["stoa.yaml: line 2 is not valid YAML (DUPLICATE_KEY)."])
    for (const text of ["hunter2", "- port", "5", "\"\""]) {
      assert.deepEqual(problems({}, {}, text), ["stoa.yaml: expected settings, one `name: value` a line."], text)
    }
    assert.lengthOf(problems({}, {}, "__proto__: 1"), 1)
  })

  it("leave alone what Kubernetes says of a service called stoa", () => {
    const env = {
      STOA_PORT: "tcp://10.0.0.1:8000",
      STOA_SERVICE_HOST: "10.0.0.1",
      STOA_SERVICE_PORT: "8000",
      STOA_SERVICE_PORT_HTTP: "8000",
      STOA_PORT_8000_TCP: "tcp://10.0.0.1:8000",
      STOA_PORT_8000_TCP_ADDR: "10.0.0.1"
    }
    assert.strictEqual(settings({}, env).port, 8000)
  })

  it("show no secret when they are printed", () => {
    const shown = settings({}, { STOA_DATABASE_URL: "postgres://u:hunter2@db/x", STOA_VAULT_KEY: "hunter2" })
    assert.notInclude(JSON.stringify(shown) + String(shown.vault_key), "hunter2")
  })
})

describe("Settings from files", () => {
  const files = (files: Record<string, string>) =>
    FileSystem.layerNoop({
      readFileString: (path) =>
        files[path] === undefined
          ? Effect.fail(
            new SystemError({ reason: "NotFound", module: "FileSystem", method: "readFile", pathOrDescriptor: path })
          )
          : Effect.succeed(files[path])
    })

  const from = (options: { readonly env?: Env; readonly config?: string }, contents: Record<string, string>) =>
    read({ flags: {}, env: options.env ?? {}, config: options.config }).pipe(Effect.provide(files(contents)))

  it.effect("read stoa.yaml when there is one", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* from({}, { "stoa.yaml": "port: 1" })).port, 1)
      assert.strictEqual((yield* from({}, {})).port, 8000)
    }))

  it.effect("read the file that is named, which must exist", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* from({ config: "x.yaml" }, { "x.yaml": "port: 1", "stoa.yaml": "port: 2" })).port, 1)
      assert.include(
        (yield* Effect.flip(from({ config: "x.yaml" }, { "x.yaml": "port: z" }))).message,
        "port in x.yaml"
      )
      assert.include(
        (yield* Effect.flip(from({ config: "x.yaml" }, { "stoa.yaml": "port: 2" }))).message,
        "x.yaml cannot be read"
      )
    }))

  it.effect("take secrets from the files that variables name", () =>
    Effect.gen(function*() {
      const env = { STOA_VAULT_KEY_FILE: "/run/key", STOA_DATABASE_URL_FILE: "/run/url" }
      const contents = { "/run/key": "k\n", "/run/url": "postgres://u:p@db/x\n" }
      const settings = yield* from({ env }, contents)
      assert.strictEqual(Redacted.value(settings.vault_key!), "k")
      assert.strictEqual(Redacted.value(settings.database_url!), "postgres://u:p@db/x")
    }))

  it.effect("name the variable whose file is missing, empty, wrong or given twice", () =>
    Effect.gen(function*() {
      const env = { STOA_DATABASE_URL_FILE: "/run/url" }
      const message = (contents: Record<string, string>, more: Env = {}) =>
        Effect.map(Effect.flip(from({ env: { ...env, ...more } }, contents)), (refused) => refused.message)
      assert.include(yield* message({}), "STOA_DATABASE_URL_FILE: ")
      assert.strictEqual(yield* message({ "/run/url": " \n" }), "STOA_DATABASE_URL_FILE: the file /run/url is empty.")
      assert.strictEqual(
        yield* message({ "/run/url": "hunter2" }),
        "The file named by STOA_DATABASE_URL_FILE: expected a URL such as postgres://user:password@localhost:5432/stoa."
      )
      assert.strictEqual(
        yield* message({ "/run/url": "hunter2" }, { STOA_DATABASE_URL: "hunter2" }),
        "STOA_DATABASE_URL and STOA_DATABASE_URL_FILE are both set: keep one of them."
      )
    }))
})

describe("A server", () => {
  it("knows which addresses only this machine can reach", () => {
    for (const host of ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]) {
      assert.isTrue(isLoopback(host), host)
    }
    for (
      const host of [
        "0.0.0.0",
        "::",
        "",
        "10.0.0.1",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "128.0.0.1",
        "::ffff:10.0.0.1",
        "2130706433"
      ]
    ) {
      assert.isFalse(isLoopback(host), host)
    }
  })

  it("believes X-User-ID on loopback, or where it was told to", () => {
    assert.isTrue(trustsUserHeader(settings()))
    assert.isFalse(trustsUserHeader(settings({ host: "0.0.0.0" })))
    assert.isTrue(trustsUserHeader(settings({ host: "0.0.0.0", trust_user_header: true })))
  })

  it("refuses to start on a public address where nobody can prove who they are", () => {
    assert.include(refusal(settings({ host: "0.0.0.0" }), false), "0.0.0.0 is public")
    assert.isUndefined(refusal(settings({ host: "0.0.0.0" }), true))
    assert.isUndefined(refusal(settings({ host: "0.0.0.0", trust_user_header: true }), false))
    assert.isUndefined(refusal(settings(), false))
  })
})
