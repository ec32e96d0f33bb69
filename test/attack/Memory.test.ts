/** Valid requests that would take the memory from everybody. */
import { assert, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { head, open } from "./support/Sockets.ts"
import { type Client, idle, onEach, send, type Target } from "./support/Target.ts"

/** How much more memory than before an attack may cost, in MiB. */
const most = 250

const megabyte = () => Array.from({ length: 4 }, () => ({ type: "text", text: "m".repeat(250_000) }))

/** A session with so many inputs of a megabyte. */
const fill = async (client: Client, count: number) => {
  const talk = await client.converse()
  for (let i = 0; i < count; i++) {
    const response = await fetch(`${client.url}/chat`, {
      method: "POST",
      headers: { ...client.headers, accept: "application/json" },
      body: JSON.stringify({ ...talk, credential_id: undefined, input: { content: megabyte() } })
    })
    const text = await response.text()
    // What a session may hold in all is bounded: from there on it is refused, in order.
    if (response.status !== 200) {
      assert.isBelow(response.status, 500, text)
      break
    }
  }
  return talk
}

/** What the attack adds to the memory of the server, at its highest. */
const growth = async (target: Target, attack: () => Promise<void>) => {
  await sleep(500)
  const { now } = await target.memory(Date.now() - 2_000)
  const since = Date.now()
  await target.unharmed(attack, { within: 60_000 })
  await sleep(300)
  return (await target.memory(since)).most - now
}

onEach("A tenant who wants the whole memory", (target) => {
  it("does not get it by a session of 200 messages of a megabyte, and lists of them that nobody reads", async () => {
    const client = target().client()
    const grown = await growth(target(), async () => {
      const { session_id } = await fill(client, 200)
      const raws = await Promise.all(Array.from({ length: 30 }, () => open(client.url, { reads: false })))
      for (const raw of raws) raw.send(head(client.url, `GET /sessions/${session_id}/messages?limit=200`))
      await sleep(5_000)
      for (const { socket } of raws) socket.destroy()
    })
    assert.isBelow(grown, most, "MiB more than before")
  })

  it("does not get it by a long replay that many do not read", async () => {
    const client = target().client()
    const talk = await client.converse()
    const sent = await send(client, talk, `${"say x\n".repeat(1_500)}repeat 2000 ${"long ".repeat(2_000)}`)
    assert.strictEqual(sent.status, 202, sent.text)
    await idle(client, talk.session_id)
    const grown = await growth(target(), async () => {
      const raws = await Promise.all(Array.from({ length: 60 }, () => open(client.url, { reads: false })))
      for (const raw of raws) raw.send(head(client.url, `GET /sessions/${talk.session_id}/stream?after=0`))
      await sleep(5_000)
      for (const { socket } of raws) socket.destroy()
    })
    assert.isBelow(grown, most, "MiB more than before")
  })
})
