/** The store of a session while the built server is killed below it. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Client from "../../src/http/client/Client.ts"
import { sessionStore } from "../../src/http/client/Store.ts"
import { patience } from "../support/Patience.ts"
import { type Server, startServer, temporaryFolder } from "../support/Server.ts"
import { isAtRest, newSession, slowly, until, watching } from "../support/stores.ts"

describe("A session's store", () => {
  let server: Server | undefined
  let folder: Awaited<ReturnType<typeof temporaryFolder>> | undefined

  afterAll(async () => {
    await server?.kill("SIGTERM")
    await folder?.remove()
  }, patience(60_000))

  it("shows every word once when the server is killed in the middle of an answer, and is started again", async () => {
    const { path } = folder = await temporaryFolder()
    const start = () => startServer(["--data-dir", path])
    server = await start()
    // The port of the server is another one each time.
    const fetch: typeof globalThis.fetch = (input, init) =>
      globalThis.fetch(String(input).replace("http://stoa", server!.url), init)
    const client = Client.make({ url: "http://stoa", user: "ada", fetch })
    const { agent_id, session_id } = await newSession(client)
    const stores = [sessionStore(client, session_id, { agent_id }), sessionStore(client, session_id)] as const
    const watched = stores.map(watching)
    await stores[0].send(slowly(60, 50))
    await client.send({ session_id, input: "say And the next." })
    await until(stores[0], ({ messages, queue }) => JSON.stringify(messages).includes("word5 ") && queue.length === 1)
    await server.kill("SIGKILL")
    await until(stores[1], ({ connection }) => connection.state === "waiting")
    server = await start()
    const ends = await Promise.all(
      stores.map((store) => until(store, (now) => isAtRest(now) && now.messages.length === 4, patience(60_000)))
    )
    const { messages } = await client.sessions.messages(session_id)
    for (const [i, end] of ends.entries()) {
      assert.deepStrictEqual(end.messages, messages)
      watched[i]!.check(messages)
      watched[i]!.leave()
      stores[i]!.close()
    }
  }, patience(180_000))
})
