import { assert, describe, it } from "@effect/vitest"
import { execFile, spawnSync } from "node:child_process"
import { readdir, readFile, stat, unlink, utimes, writeFile } from "node:fs/promises"
import { createServer as createHttpServer } from "node:http"
import { createServer } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { kindOf } from "../support/events.ts"
import { patience } from "../support/Patience.ts"
import { adminKey, clientOf, safeJson, startAtTerminal, startServer, stoa, temporaryFolder } from "../support/Server.ts"

const sh = (command: string) => promisify(execFile)("sh", ["-c", command], { timeout: patience(20_000) })

/** A small disk of its own, to fill it. */
const canMount = process.platform === "linux" &&
  spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0

const withFolder = async (use: (path: string) => Promise<void>) => {
  const folder = await temporaryFolder()
  try {
    await use(folder.path)
  } finally {
    await folder.remove()
  }
}

const textOf = (frames: ReadonlyArray<{ readonly event: { readonly type: string } }>) =>
  frames.map(({ event }) => event.type === "TEXT_BLOCK_DELTA" ? (event as unknown as { delta: string }).delta : "")
    .join("")

const filesBelow = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** Credentials that take an address and a key, one of each package's wire. */
const echoed = [
  "openai_compatible_credential",
  "openai_credential",
  "anthropic_credential",
  "gemini_credential",
  "mistral_credential",
  "openrouter_credential"
]

/** How the provider says the key: in an error's body and headers, in a page, in a redirect, in a broken stream, in an error of a stream. */
const ways = ["error", "refusal", "page", "redirect", "garbage", "stream"] as const

/** A provider that repeats the key in everything that it says. */
const echo = async (secret: string) => {
  let asked = 0
  const server = createHttpServer((request, response) => {
    asked++
    request.resume()
    const body = JSON.stringify({
      error: { message: `Your key ${secret}`, type: secret, code: secret, status: secret }
    })
    const headers = { "x-key": secret, "set-cookie": `key=${secret}`, "x-request-id": secret }
    const answers: Readonly<Record<string, () => void>> = {
      error: () => response.writeHead(400, headers).end(body),
      refusal: () => response.writeHead(401, headers).end(body),
      page: () => response.writeHead(200, { ...headers, "content-type": "text/html" }).end(`<html>${secret}</html>`),
      redirect: () => response.writeHead(307, { location: `http://127.0.0.1:1/?key=${secret}` }).end(),
      garbage: () =>
        response.writeHead(200, { ...headers, "content-type": "text/event-stream" }).end(`data: {"${secret}": \n\n`),
      stream: () =>
        response.writeHead(200, { "content-type": "text/event-stream" }).end(`event: error\ndata: ${body}\n\n`)
    }
    answers[(request.url ?? "").split("/")[1] ?? ""]?.()
  }).listen(0, "127.0.0.1")
  await new Promise((listening) => server.once("listening", listening))
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    asked: () => asked,
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}

describe("The built server", () => {
  it("shows a person at a terminal the admin key and a curl that works as printed, on standard error", () =>
    withFolder(async (folder) => {
      const server = await startAtTerminal(["--data-dir", folder])
      const command = /^\s*(curl .*?)\s*$/m.exec(server.output())?.[1]
      assert.isDefined(command, server.output())
      const { stdout } = await sh(command!)
      assert.include(stdout, "\"type\":\"REPLY_END\"")
      const key = /stoa_\S+/.exec(server.output())?.[0]
      const asked = await fetch(`${server.url}/keys`, { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual(asked.status, 200)
      assert.notInclude(await filesBelow(folder), join(folder, "admin.key"))
      await server.kill("SIGTERM")
      // There is nothing but the log: a line for each request.
      const logged = await readFile(join(folder, "stdout"), "utf8")
      assert.notInclude(logged, key!)
      const lines = logged.trim().split("\n").map((line) => safeJson(line))
      assert.isTrue(lines.every(({ path, status }) => path.startsWith("/") && status === 200), logged)
    }))

  it("writes logs as JSON where no terminal reads them, and no key into them", () =>
    withFolder(async (folder) => {
      const server = await startServer(["--data-dir", folder, "--log-level", "debug"])
      const client = clientOf(server.url)
      const data = { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: "sk-1" }
      const { credential_id } = await client.must("POST", "/credential", { data })
      const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
      const { session_id } = await client.must("POST", "/sessions", {
        agent_id,
        chat_model_config: { type: data.type, credential_id, model: "any" }
      })
      const body = JSON.stringify({ agent_id, session_id, input: { content: "hi" } })
      await (await client.stream("/chat", { method: "POST", body })).end()
      await server.kill("SIGTERM")
      const lines = server.output().trim().split("\n").map((line) => safeJson(line))
      for (const line of lines) assert.match(line.time, /^\d{4}-\d\d-\d\dT.*Z$/)
      const of = (message: string) => lines.filter((line) => line.message === message)
      assert.deepInclude(of("A model call failed")[0], { level: "warning", tenant: "ada", session_id, model: "any" })
      assert.deepInclude(of("A run failed")[0], {
        level: "warning",
        tenant: "ada",
        session_id,
        finished_reason: "error"
      })
      assert.notInclude(server.output(), await adminKey(folder))
      assert.strictEqual((await stat(join(folder, "admin.key"))).mode & 0o777, 0o600)
    }))

  it("keeps agent, session and transcript over kill -9, and goes on with the run that was cut off", () =>
    withFolder(async (folder) => {
      const first = await startServer(["--data-dir", folder])
      const before = clientOf(first.url)
      const talk = await before.converse("demo-script", { delay_ms: 10 })
      const done = await before.stream("/chat", {
        method: "POST",
        body: JSON.stringify({ ...talk, input: { content: "say finished" } })
      })
      await done.end()
      const cut = await before.stream("/chat", {
        method: "POST",
        body: JSON.stringify({ ...talk, input: { content: "repeat 100 word " } })
      })
      await cut.until((frame) => frame !== undefined && textOf(cut.frames).length > 50)
      await first.kill("SIGKILL")
      await cut.end()

      const second = await startServer(["--data-dir", folder])
      const after = clientOf(second.url)
      const seen = cut.frames.at(-1)!.seq
      const rest = await after.stream(`/sessions/${talk.session_id}/stream?after=${seen}`)
      await rest.until((frame) => frame?.event.type === "REPLY_END")
      rest.leave()
      assert.deepStrictEqual(rest.frames.map(({ seq }) => seq), rest.frames.map((_, i) => seen + 1 + i))
      assert.include(rest.frames.map(({ event }) => kindOf(event)), "run_resumed")
      assert.deepInclude(rest.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
      const { messages } = await after.must("GET", `/sessions/${talk.session_id}/messages`)
      assert.deepStrictEqual(messages.map((message: { role: string }) => message.role), [
        "user",
        "assistant",
        "user",
        "assistant"
      ])
      const said = messages[3].content.filter((block: { type: string }) => block.type === "text").map((
        block: { text: string }
      ) => block.text).join("")
      assert.isTrue(said.startsWith(textOf(cut.frames)))
      assert.strictEqual((await after.must("GET", "/agent")).agents.length, 1)
      const { runs } = await after.must("GET", `/sessions/${talk.session_id}/runs`)
      assert.deepStrictEqual(runs.map((run: { status: string; attempt: number }) => [run.status, run.attempt]), [[
        "ended",
        2
      ], ["ended", 1]])
      await second.kill("SIGTERM")
    }))

  it("lets no second process into its data folder, and says what to do", () =>
    withFolder(async (folder) => {
      const server = await startServer(["--data-dir", folder])
      const { code, stderr, stdout } = await stoa(["serve", "--port", "0", "--data-dir", folder])
      assert.strictEqual(code, 1)
      assert.include(stderr + stdout, folder)
      assert.include(stderr, "--data-dir")
      assert.strictEqual((await clientOf(server.url).call("GET", "/health")).status, 200)
      await server.kill("SIGTERM")
    }))

  it("says which port is taken, and how to choose another", () =>
    withFolder(async (folder) => {
      const other = createServer().listen(0, "127.0.0.1")
      await new Promise((listening) => other.once("listening", listening))
      const { port } = other.address() as { port: number }
      const { code, stderr } = await stoa(["serve", "--port", String(port), "--data-dir", folder])
      other.close()
      assert.strictEqual(code, 1)
      assert.include(stderr, String(port))
      assert.include(stderr, "--port")
    }))

  it("refuses a data folder that is a file, with a sentence", () =>
    withFolder(async (folder) => {
      const file = join(folder, "file")
      await writeFile(file, "")
      const { code, stderr } = await stoa(["serve", "--port", "0", "--data-dir", file])
      assert.strictEqual(code, 1)
      assert.include(stderr, file)
      assert.notInclude(stderr, "    at ")
    }))

  it("says that there is no folder of model cards before it makes anything", () =>
    withFolder(async (folder) => {
      const data = join(folder, "data")
      const { code, stderr } = await stoa([
        "serve",
        "--port",
        "0",
        "--data-dir",
        data,
        "--models-dir",
        "/no/such/folder"
      ])
      assert.strictEqual(code, 1)
      assert.include(stderr, "/no/such/folder")
      assert.include(stderr, "--models-dir")
      assert.deepStrictEqual(await readdir(folder), [])
    }))

  it("refuses an unknown setting and a bad value by name", () =>
    withFolder(async (folder) => {
      const unknown = await stoa(["serve", "--data-dir", folder], { env: { STOA_PROT: "9" } })
      assert.notStrictEqual(unknown.code, 0)
      assert.include(unknown.stderr, "STOA_PROT")
      const bad = await stoa(["serve", "--data-dir", folder], { env: { STOA_PORT: "many" } })
      assert.notStrictEqual(bad.code, 0)
      assert.include(bad.stderr, "STOA_PORT")
    }))

  it("ends with 0 on SIGTERM although streams are open, and ends those whole", () =>
    withFolder(async (folder) => {
      const server = await startServer(["--data-dir", folder, "--drain-seconds", "0"])
      const client = clientOf(server.url)
      const talk = await client.converse("demo-script", { delay_ms: 20 })
      const chat = await client.stream("/chat", {
        method: "POST",
        body: JSON.stringify({ ...talk, input: { content: "repeat 10000 word " } })
      })
      const watching = await client.stream(`/sessions/${talk.session_id}/stream?after=0`)
      await chat.until((frame) => frame?.event.type === "TEXT_BLOCK_DELTA")
      const asked = performance.now()
      const code = await server.kill("SIGTERM")
      assert.strictEqual(code, 0, server.output())
      assert.isBelow(performance.now() - asked, patience(5_000))
      await Promise.all([chat.end(), watching.end()])
      assert.deepStrictEqual([chat.broken(), watching.broken()], [false, false])
    }))

  it.skipIf(!canMount)(
    "takes no input while its disk is full, loses nothing, and goes on when there is room again",
    () =>
      withFolder(async (folder) => {
        await sh(`mount -t tmpfs -o size=70m tmpfs ${folder}`)
        try {
          const server = await startServer(["--data-dir", join(folder, "data")])
          const client = clientOf(server.url)
          const talk = await client.converse()
          const say = (text: string) => client.call("POST", "/chat", { ...talk, input: { content: text } })
          assert.include((await say("say before")).text, "REPLY_END")
          await sh(`dd if=/dev/zero of=${join(folder, "fill")} bs=1M || true`)
          const refused = await say(`say ${Array.from({ length: 20_000 }, () => Math.random().toString(36)).join("")}`)
          assert.strictEqual(refused.status, 503)
          assert.strictEqual(refused.json.code, "storage_unavailable")
          assert.isNotNull(refused.headers.get("retry-after"))
          assert.strictEqual((await client.must("GET", `/sessions/${talk.session_id}/messages`)).total, 2)
          await unlink(join(folder, "fill"))
          assert.include((await say("say after")).text, "REPLY_END")
          await server.kill("SIGKILL")
          const again = await startServer(["--data-dir", join(folder, "data")])
          const { messages } = await clientOf(again.url).must("GET", `/sessions/${talk.session_id}/messages`)
          assert.strictEqual(messages.length, 4)
          await again.kill("SIGTERM")
        } finally {
          await sh(`umount -l ${folder}`)
        }
      })
  )

  it.skipIf(!canMount)(
    "ends with its exit code when a full disk stops its database, and has everything that was acknowledged afterwards",
    () =>
      withFolder(async (folder) => {
        await sh(`mount -t tmpfs -o size=100m tmpfs ${folder}`)
        try {
          const server = await startServer(["--data-dir", join(folder, "data")])
          const client = clientOf(server.url)
          const talk = await client.converse()
          // Room for a part of the next write-ahead log file: the log is full before the tables are.
          await sh(`dd if=/dev/zero of=${join(folder, "fill")} bs=1M count=1000 || true`)
          await sh(`truncate -s -12M ${join(folder, "fill")}`)
          const text = Array.from({ length: 9_000 }, () => Math.random().toString(36)).join("")
          let acknowledged = 0
          let code: number | null | undefined
          void server.exited.then((ended) => {
            code = ended
          })
          for (let i = 0; i < 400 && code === undefined; i++) {
            const said = await client.call("POST", "/chat", { ...talk, input: { content: `say ${i}` } })
              .catch(() => undefined)
            if (said?.text.includes("REPLY_END") === true) acknowledged++
            await client.call("POST", "/agent", { name: "filler", system_prompt: text }).catch(() => undefined)
          }
          assert.strictEqual(await server.exited, 70, server.output())
          assert.match(server.output(), /has stopped \(.*No space left on device\).*make room on the disk/)
          await unlink(join(folder, "fill"))
          const again = await startServer(["--data-dir", join(folder, "data")])
          const { total } = await clientOf(again.url).must("GET", `/sessions/${talk.session_id}/messages`)
          assert.isAtLeast(total, 2 * acknowledged)
          await again.kill("SIGTERM")
        } finally {
          await sh(`umount -l ${folder}`)
        }
      }),
    180_000
  )

  it("keeps an admin key once, which makes other keys", () =>
    withFolder(async (folder) => {
      const first = await startServer(["--data-dir", folder])
      const key = await adminKey(folder)
      const made = await stoa([
        "keys",
        "create",
        "--user",
        "grace",
        "--name",
        "laptop",
        "-o",
        "json",
        "--url",
        first.url
      ], {
        env: { STOA_API_KEY: key }
      })
      assert.strictEqual(made.code, 0, made.stderr)
      const { key: issued } = JSON.parse(made.stdout)
      const answer = await fetch(`${first.url}/agent`, { headers: { authorization: `Bearer ${issued}` } })
      assert.strictEqual(answer.status, 200)
      await first.kill("SIGTERM")
      await unlink(join(folder, "admin.key"))
      const second = await startServer(["--data-dir", folder])
      assert.notInclude(first.output() + second.output(), "stoa_")
      assert.notInclude(await filesBelow(folder), join(folder, "admin.key"))
      assert.strictEqual(
        (await fetch(`${second.url}/agent`, { headers: { authorization: `Bearer ${issued}` } })).status,
        200
      )
      await second.kill("SIGTERM")
    }))

  it(
    "rotates its vault's key while it serves: secrets, API keys and the next start go on",
    () =>
      withFolder(async (folder) => {
        const server = await startServer(["--data-dir", folder])
        const key = await adminKey(folder)
        const client = clientOf(server.url)
        const data = { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: "sk-rotated" }
        const { credential_id } = await client.must("POST", "/credential", { data })
        const desk = (url: string, ...words: ReadonlyArray<string>) =>
          stoa(["vault", ...words, "-o", "json", "--url", url], { env: { STOA_API_KEY: key } })
        const rotated = await desk(server.url, "rotate")
        assert.strictEqual(rotated.code, 0, rotated.stderr)
        const { keys, rotation } = JSON.parse(rotated.stdout)
        assert.deepInclude(rotation, { state: "done", fresh_key: true, resealed: 1 })
        assert.deepStrictEqual(keys.map(({ secrets }: { secrets: number }) => secrets), [1, 0])
        const early = await desk(server.url, "rotate", "--retire")
        assert.strictEqual(early.code, 1)
        assert.include(early.stderr, "a minute")
        const past = new Date(Date.now() - 120_000)
        await utimes(join(folder, "vault.key"), past, past)
        const retired = await desk(server.url, "rotate", "--retire")
        assert.strictEqual(JSON.parse(retired.stdout).keys.length, 1, retired.stderr)
        await server.kill("SIGKILL")
        const again = await startServer(["--data-dir", folder])
        assert.strictEqual((await clientOf(again.url).call("POST", `/credential/${credential_id}/test`)).status, 200)
        const status = await desk(again.url, "status")
        assert.deepInclude(JSON.parse(status.stdout), { unreadable: 0 }, status.stderr)
        await again.kill("SIGTERM")
        for (const text of [server.output(), again.output(), rotated.stdout]) assert.notInclude(text, "sk-rotated")
      }),
    patience(120_000)
  )

  it(
    "leaves the key of a provider that repeats it nowhere: not in answers, events, what it prints, nor its data",
    () =>
      withFolder(async (folder) => {
        const secret = "sk-echoed-4712-never-to-be-seen"
        const provider = await echo(secret)
        const server = await startServer(["--data-dir", folder], { env: { STOA_LOG_LEVEL: "trace" } })
        const client = clientOf(server.url)
        const answers: Array<string> = []
        const say = async (method: string, path: string, body?: unknown) => {
          const answer = await client.call(method, path, body)
          answers.push(answer.text, JSON.stringify([...answer.headers]))
          return answer.json
        }
        const { agent_id } = await say("POST", "/agent", { name: "Friday" })
        const suffer = async (type: string, how: string) => {
          const data = { type, base_url: `${provider.url}/${how}`, api_key: secret }
          const { credential_id } = await say("POST", "/credential", { data })
          assert.isFalse((await say("POST", `/credential/${credential_id}/test`)).ok, `${type} ${how}`)
          const { session_id } = await say("POST", "/sessions", {
            agent_id,
            chat_model_config: { type, credential_id, model: "any" }
          })
          const body = JSON.stringify({ agent_id, session_id, input: { content: "hi" } })
          const chat = await client.stream("/chat", { method: "POST", body })
          await chat.end()
          answers.push(JSON.stringify(chat.frames))
          const end = { type: "REPLY_END", finished_reason: "error" } as const
          assert.deepInclude(chat.frames.at(-1)!.event, end, `${type} ${how}`)
          for (const path of ["messages", "runs"]) await say("GET", `/sessions/${session_id}/${path}`)
          await say("DELETE", `/credential/${credential_id}`)
        }
        for (const how of ways) {
          for (const half of [echoed.slice(0, 3), echoed.slice(3)]) {
            await Promise.all(half.map((type) => suffer(type, how)))
          }
        }
        await say("GET", "/credential")
        await say("GET", "/usage")
        assert.isAbove(provider.asked(), echoed.length * ways.length)
        await server.kill("SIGTERM")
        provider.close()
        for (const answer of [...answers, server.output()]) assert.notInclude(answer, secret)
        for (const file of await filesBelow(folder)) assert.isFalse((await readFile(file)).includes(secret), file)
      }),
    patience(120_000)
  )

  it("leaves a planted secret nowhere: not in answers, not in what it prints, not in its data", () =>
    withFolder(async (folder) => {
      const secret = "sk-planted-4711-never-to-be-seen"
      const server = await startServer(["--data-dir", folder], { env: { STOA_LOG_LEVEL: "debug" } })
      const client = clientOf(server.url)
      const data = { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: secret }
      const made = await client.call("POST", "/credential", { data })
      assert.strictEqual(made.status, 201)
      const id = made.json.credential_id
      const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
      const { session_id } = await client.must("POST", "/sessions", {
        agent_id,
        chat_model_config: { type: data.type, credential_id: id, model: "any" }
      })
      const chat = await client.stream("/chat", {
        method: "POST",
        body: JSON.stringify({ agent_id, session_id, input: { content: "hi" } })
      })
      await chat.end()
      assert.deepInclude(chat.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "error" })
      const answers = [
        made.text,
        (await client.call("GET", `/credential/${id}`)).text,
        (await client.call("GET", "/credential")).text,
        (await client.call("PATCH", `/credential/${id}`, { data: { ...data, base_url: 7 } })).text,
        (await client.call("POST", "/credential", { data: { type: "no_such_type", api_key: secret } })).text,
        (await client.call("POST", "/credential", { data: { ...data, api_key: [secret] } })).text,
        JSON.stringify(chat.frames)
      ]
      await server.kill("SIGTERM")
      for (const answer of [...answers, server.output()]) assert.notInclude(answer, secret)
      for (const file of await filesBelow(folder)) {
        assert.isFalse((await readFile(file)).includes(secret), file)
      }
    }))
})
