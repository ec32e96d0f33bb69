/** A file of a message over kill -9: whatever was accepted of it is whole, kept once, and what the model gets. */
import { assert, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import { Effect } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import * as FakeOpenAi from "../support/FakeOpenAi.ts"
import { patience } from "../support/Patience.ts"
import { block, png } from "../support/pictures.ts"
import { clientOf, type Server, startServer, temporaryFolder } from "../support/Server.ts"

type Client = ReturnType<typeof clientOf> & { readonly url: string }

interface Talk {
  readonly agent_id: string
  readonly session_id: string
}

const hashOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

/** The hashes of the pictures that a model was asked with. */
const shown = (body: unknown) =>
  [...JSON.stringify(body).matchAll(/data:image\/png;base64,([A-Za-z0-9+/=]+)/g)]
    .map(([, data]) => hashOf(Buffer.from(data!, "base64")))

const converse = async (client: Client, base_url: string): Promise<Talk> => {
  const data = { type: "openai_compatible_credential", base_url, api_key: "k" }
  const { credential_id } = await client.must("POST", "/credential", { data })
  const { agent_id } = await client.must("POST", "/agent", { name: "Friday" })
  const { session_id } = await client.must("POST", "/sessions", {
    agent_id,
    chat_model_config: { type: data.type, credential_id, model: "fake" }
  })
  return { agent_id, session_id }
}

/** Sends a message with the file; undefined when the server died before its answer was whole. */
const send = async (client: Client, talk: Talk, file: Uint8Array, key: string) => {
  const input = { content: [{ type: "text", text: "See." }, block(file)] }
  try {
    const response = await fetch(`${client.url}/chat`, {
      method: "POST",
      headers: { ...client.headers, "idempotency-key": key, accept: "application/json" },
      body: JSON.stringify({ ...talk, input })
    })
    return { status: response.status, text: await response.text() }
  } catch {
    return undefined
  }
}

const until = async (what: string, holds: () => Promise<boolean> | boolean) => {
  const limit = performance.now() + patience(60_000)
  while (!await holds()) {
    if (performance.now() > limit) assert.fail(`It never came to this: ${what}`)
    await sleep(20)
  }
}

/** The session has the message once, with the file once, and gives back its bytes. */
const assertWhole = async (client: Client, { session_id }: Talk, file: Uint8Array) => {
  const { messages } = await client.must("GET", `/sessions/${session_id}/messages`)
  assert.deepStrictEqual(messages.map(({ role }: { role: string }) => role), ["user", "assistant"])
  const path = `/sessions/${session_id}/files/${hashOf(file)}`
  const sources = messages[0].content.flatMap(({ source }: { source?: { url: string } }) => source?.url ?? [])
  assert.deepStrictEqual(sources, [path])
  const response = await fetch(client.url + path, { headers: client.headers })
  assert.strictEqual(response.status, 200)
  assert.strictEqual(hashOf(Buffer.from(await response.arrayBuffer())), hashOf(file))
}

/** Milliseconds from the sending of the message to the kill. */
const moments = [0, 20, 80]

it(
  "a message with a file survives kill -9 while it is accepted and while it is answered",
  { timeout: patience(240_000) },
  () =>
    Effect.gen(function*() {
      const model = yield* FakeOpenAi.make
      yield* Effect.promise(async () => {
        const folder = await temporaryFolder()
        let server: Server | undefined
        const restart = async () => {
          await server?.kill("SIGKILL")
          server = await startServer(["--data-dir", folder.path])
          return { ...clientOf(server.url), url: server.url }
        }
        const whole: FakeOpenAi.Answer = { events: [FakeOpenAi.text("Seen."), FakeOpenAi.finish("stop"), "[DONE]"] }
        const files: Array<Uint8Array> = []
        try {
          let client = await restart()
          // While it is answered: the first attempt has begun to say something.
          const answered = png(3_000_000)
          files.push(answered)
          const talk = await converse(client, model.baseUrl)
          model.answer({ events: [FakeOpenAi.text("It is")], ending: "hang" })
          const first = send(client, talk, answered, randomUUID())
          await until("the model was asked", () => model.asked.length === 1)
          await until("its words are kept", async () => {
            const { messages } = await client.must("GET", `/sessions/${talk.session_id}/messages`)
            return JSON.stringify(messages).includes("It is")
          })
          assert.deepStrictEqual(shown(model.asked[0]!.body), [hashOf(answered)])
          await server!.kill("SIGKILL")
          await first
          model.answer(whole)
          client = await restart()
          await until("the run has ended", async () => {
            const { runs } = await client.must("GET", `/sessions/${talk.session_id}/runs`)
            return runs[0].status === "ended"
          })
          assert.lengthOf(model.asked, 1)
          assert.deepStrictEqual(shown(model.asked[0]!.body), [hashOf(answered)])
          await assertWhole(client, talk, answered)

          // While it is accepted, at whatever moment: sent again, it is there once.
          for (const moment of moments) {
            const accepted = png(2_000_000)
            files.push(accepted)
            const talk = await converse(client, model.baseUrl)
            const key = randomUUID()
            model.answer(whole)
            const sent = send(client, talk, accepted, key)
            await sleep(moment)
            await server!.kill("SIGKILL")
            await sent
            client = await restart()
            const again = await send(client, talk, accepted, key)
            assert.strictEqual(again?.status, 200, again?.text)
            const { runs } = await client.must("GET", `/sessions/${talk.session_id}/runs`)
            assert.deepInclude(runs, { ...runs[0], status: "ended", finished_reason: "completed" })
            assert.lengthOf(runs, 1)
            for (const { body } of model.asked) assert.deepStrictEqual(shown(body), [hashOf(accepted)])
            await assertWhole(client, talk, accepted)
          }
          await server!.kill("SIGTERM")
          server = undefined

          // Nothing of a file that was begun twice is there twice.
          const database = await PGlite.create(join(folder.path, "postgres"))
          const { rows } = await database.query<{ hash: string; size: number; holds: number; bytes: number }>(`
            select f.hash, f.size, (select count(*)::int from session_files h where h.hash = f.hash) as holds,
              (select sum(length(p.bytes))::int from file_pieces p where p.hash = f.hash) as bytes
            from files f where f.is_whole`)
          await database.close()
          assert.sameDeepMembers(
            rows,
            files.map((file) => ({ hash: hashOf(file), size: file.length, holds: 1, bytes: file.length }))
          )
        } finally {
          await server?.kill("SIGKILL")
          await folder.remove()
        }
      })
    }).pipe(Effect.scoped, Effect.runPromise)
)
