/** Valid requests that would take the processor from everybody. */
import { assert, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { patience } from "../support/Patience.ts"
import { type Client, idle, onEach, send } from "./support/Target.ts"

/** Sends a script and waits for its run to end. */
const play = async (client: Client, script: string, more: object = {}) => {
  const talk = await client.converse()
  const sent = await send(client, talk, script, more)
  assert.isBelow(sent.status, 500, sent.text)
  if (sent.status === 202) await idle(client, talk.session_id)
  return talk
}

const blanks = (length: number) => " ".repeat(length)

const anObject = { type: "object" }

onEach("A tenant who wants the whole processor", (target) => {
  it.each([
    ["a fence with 2,000 blanks after it", `repeat 1 \`\`\`json${blanks(2_000)}x`],
    ["a fence with 200,000 blanks after it", `repeat 1 \`\`\`${blanks(200_000)}x`],
    ["a fence with 100,000 line ends in it", `repeat 100000 \`\`\` `],
    ["backticks alone", `repeat 1 ${"`".repeat(200_000)}`]
  ])("does not get it by an answer that is to be JSON and is %s", (_, script) =>
    target().unharmed(async () => {
      await play(target().client(), script, { output_schema: anObject })
    }))

  it.each([
    ["blanks without a word", `say ${blanks(250_000)}`],
    ["a word among blanks", `say ${blanks(120_000)}x${blanks(120_000)}`],
    ["thoughts of blanks", `think ${blanks(250_000)}`],
    ["a call without arguments", `call ${blanks(250_000)}`],
    ["a call with blanks for arguments", `call CurrentTime ${blanks(250_000)}x`],
    ["a failure of blanks", `fail upstream ${blanks(250_000)}x`],
    ["one long word", `say ${"x".repeat(250_000)}`],
    ["line ends", "\r\n".repeat(100_000)]
  ])("does not get it by a script of %s", (_, script) =>
    target().unharmed(async () => {
      await play(target().client(), script)
    }))

  const png = (size: number) => {
    const bytes = randomBytes(size)
    bytes.write("89504e470d0a1a0a", 0, "hex")
    return bytes.toString("base64")
  }
  const twenty = 20_000_000
  const inLines = (text: string) => text.replace(/(.{76})/g, "$1\r\n")

  it.each([
    ["a picture of 20 MB", () => ({ type: "base64", media_type: "image/png", data: png(twenty) })],
    ["a picture of 20 MB in lines", () => ({ type: "base64", media_type: "image/png", data: inLines(png(twenty)) })],
    [
      "a picture of 20 MB with a broken end",
      () => ({ type: "base64", media_type: "image/png", data: `${png(twenty)}!` })
    ],
    [
      "a picture of 20 MB in a data: URL",
      () => ({ type: "url", media_type: "image/png", url: `data:image/png;base64,${png(twenty)}` })
    ],
    ["a picture of 20 MB whose type is a number", () => ({ type: "base64", media_type: 1, data: png(twenty) })],
    ["a picture of 20 MB of an unknown kind", () => ({ type: "picture", media_type: "image/png", data: png(twenty) })]
  ])("does not get it by %s", async (_, source) => {
    const client = target().client()
    const { agent_id, session_id } = await client.converse()
    const content = [{ type: "text", text: "say 😀" }, { type: "data", source: source() }]
    // It is made before anybody is watched: making it takes the processor too.
    const body = Buffer.from(JSON.stringify({ agent_id, session_id, input: { content } }))
    await target().unharmed(async () => {
      for (let i = 0; i < 3; i++) {
        const { status } = await fetch(`${client.url}/chat`, {
          method: "POST",
          headers: { ...client.headers, "content-type": "application/json", prefer: "respond-async" },
          body
        })
        assert.isBelow(status, 500)
        if (status === 202) await idle(client, session_id)
        else await sleep(200)
      }
    })
  }, patience(120_000))

  it.each([
    ["objects", `{"input":[${"{},".repeat(9_000_000)}{}]}`],
    ["numbers", `{"input":[${"1,".repeat(14_000_000)}1]}`],
    ["escaped characters", `{"input":"${"\\n".repeat(14_000_000)}"}`],
    ["empty texts", `{"input":[${"\"\"".repeat(14_000_000)}]}`]
  ])("does not get it by a body of 28 MB of %s", (_, text) =>
    target().unharmed(async () => {
      const client = target().client()
      const { status } = await fetch(`${client.url}/chat`, {
        method: "POST",
        headers: { ...client.headers, "content-type": "application/json" },
        body: text
      })
      assert.isTrue(status === 422 || status === 400, String(status))
    }), patience(60_000))

  it.each([
    ["950 alternatives, 4,900 items", { anyOf: Array.from({ length: 950 }, (_, i) => ({ const: `c${i}` })) }],
    ["950 alternatives that all must hold", { oneOf: Array.from({ length: 950 }, () => ({ not: true })) }],
    ["nested alternatives", {
      anyOf: Array.from({ length: 30 }, () => ({ anyOf: Array.from({ length: 30 }, () => ({ type: "object" })) }))
    }]
  ])("does not get it by a schema of %s", (_, items) =>
    target().unharmed(async () => {
      const answer = JSON.stringify(Array.from({ length: 4_900 }, () => 0))
      await play(target().client(), `json ${answer}`, { output_schema: { type: "array", items } })
    }))

  it("does not get it by a schema that asks whether 4,900 long items are different", () =>
    target().unharmed(async () => {
      const answer = JSON.stringify(Array.from({ length: 4_900 }, (_, i) => ({ a: 1, b: i })))
      await play(target().client(), `json ${answer}`, { output_schema: { type: "array", uniqueItems: true } })
    }))

  it.each([
    ["2,048 texts", Array.from({ length: 2_048 }, () => "a"), 512],
    ["2,048 texts of many words", Array.from({ length: 2_048 }, () => "a b ".repeat(97)), 512],
    ["one text of 100,000 characters that grow", ["\ufdfa".repeat(100_000)], 512],
    ["one text of 50,000 words", ["a ".repeat(50_000)], 512]
  ])("does not get it by embeddings: %s", (_, input, dimensions) =>
    target().unharmed(async () => {
      const client = target().client()
      const { credential_id } = await client.converse()
      const { status, text } = await client.call("POST", "/embedding", {
        credential_id,
        model: "demo-embedding",
        input,
        dimensions
      })
      assert.isBelow(status, 500, text.slice(0, 500))
    }))

  it.each([
    ["10,000 tool calls", "call CurrentTime {}\n".repeat(10_000)],
    ["10,000 calls of a tool that does not exist", "call X {}\n".repeat(10_000)],
    ["40,000 blocks", "say x\n".repeat(40_000)],
    ["40,000 blocks of two kinds", "say x\nthink y\n".repeat(18_000)],
    ["a million deltas", "repeat 1000000 word "]
  ])("does not get it by an answer with %s", (_, script) =>
    target().unharmed(async () => {
      const client = target().client()
      const talk = await client.converse()
      const sent = await send(client, talk, script.slice(0, 256 * 1024 - 1))
      assert.isBelow(sent.status, 500, sent.text)
      // It may go on for long; what counts is that others do not notice.
      for (let i = 0; i < 40; i++) {
        const { runs } = await client.must("GET", `/sessions/${talk.session_id}/runs`)
        if (runs[0].status === "ended") break
        await sleep(250)
      }
      await client.call("GET", `/sessions/${talk.session_id}/messages`)
      await client.must("POST", `/sessions/${talk.session_id}/interrupt?queue=drop`)
      await idle(client, talk.session_id)
    }))

  it("does not get it by lists of 100 MB", () =>
    target().unharmed(async () => {
      const client = target().client(`lister-${Date.now()}`)
      const system_prompt = "p".repeat(128 * 1024)
      for (let i = 0; i < 20; i++) {
        await Promise.all(
          Array.from({ length: 10 }, () => client.must("POST", "/agent/", { name: "Big", system_prompt }))
        )
      }
      for (let i = 0; i < 4; i++) {
        const response = await fetch(`${client.url}/agent/?limit=200`, { headers: client.headers })
        await response.body?.cancel().catch(() => {})
      }
      const { json, status } = await client.call("GET", "/agent/?limit=200")
      assert.strictEqual(status, 200)
      assert.isNotEmpty(json.agents)
    }, { within: 40_000 }))
})

/** Numbers in each vector, and vectors, of an answer that a provider sends. */
const [numbers, vectors] = [65_536, 2_048]

onEach("A provider that wants the whole processor", (target) => {
  it("does not get it by 2,048 vectors of 65,536 numbers", async () => {
    const vector = Buffer.from(`[${"0,".repeat(numbers - 1)}0]`)
    const provider = createServer(async (request, response) => {
      request.resume()
      response.on("error", () => {})
      response.writeHead(200, { "content-type": "application/json" })
      response.write("{\"object\":\"list\",\"model\":\"m\",\"data\":[")
      for (let index = 0; index < vectors && !response.destroyed; index++) {
        response.write(`${index === 0 ? "" : ","}{"object":"embedding","index":${index},"embedding":`)
        response.write(vector)
        if (!response.write("}")) {
          await Promise.race([once(response, "drain"), once(response, "close")])
        }
      }
      response.end("],\"usage\":{\"prompt_tokens\":1,\"total_tokens\":1}}")
    })
    await new Promise<void>((done) => provider.listen(0, "127.0.0.1", done))
    try {
      await target().unharmed(async () => {
        const client = target().client()
        const { credential_id } = await client.must("POST", "/credential/", {
          data: {
            type: "openai_compatible_credential",
            base_url: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`
          }
        })
        const { status, text } = await client.call("POST", "/embedding", {
          credential_id,
          model: "m",
          input: Array.from({ length: vectors }, () => "a"),
          dimensions: numbers
        })
        assert.notStrictEqual(status, 500, text.slice(0, 500))
      })
    } finally {
      provider.closeAllConnections()
      provider.close()
    }
  })

  it("does not get it by an error whose body inflates to a gigabyte", async () => {
    const bomb = gzipSync(Buffer.alloc(1024 * 1024 * 1024))
    const provider = createServer((request, response) => {
      request.resume()
      response.writeHead(400, { "content-type": "application/json", "content-encoding": "gzip" })
      response.end(bomb)
    })
    await new Promise<void>((done) => provider.listen(0, "127.0.0.1", done))
    try {
      await target().unharmed(async () => {
        const client = target().client()
        const base_url = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/v1`
        const { agent_id } = await client.must("POST", "/agent/", { name: "Friday" })
        const { credential_id } = await client.must("POST", "/credential/", {
          data: { type: "openai_compatible_credential", base_url }
        })
        const { session_id } = await client.must("POST", "/sessions/", {
          agent_id,
          chat_model_config: { type: "openai_compatible_credential", credential_id, model: "m", parameters: {} }
        })
        const sent = await send(client, { agent_id, session_id }, "hello")
        assert.strictEqual(sent.status, 202, sent.text)
        await idle(client, session_id)
      })
    } finally {
      provider.closeAllConnections()
      provider.close()
    }
  })
}, { only: "PGlite" })
