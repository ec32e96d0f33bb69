/** Requests that are none, connections that break, flow on, or only sit there. */
import { assert, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { patience } from "../support/Patience.ts"
import { head, open, type Raw, sendAndReset } from "./support/Sockets.ts"
import { onEach, send } from "./support/Target.ts"

const upgrade = { connection: "Upgrade", upgrade: "websocket" }

/** Idle connections of the flood, and the file descriptors that the server may have. */
const flood = 1_200
const descriptors = 700

const closeAll = (raws: ReadonlyArray<Raw>) => {
  for (const { socket } of raws) socket.destroy()
}

onEach("A server whose clients misbehave", (target) => {
  it("goes on when a connection that asks for another protocol is reset, at any path, at any moment", () =>
    target().unharmed(async () => {
      const url = target().url()
      const requests = [
        "GET /health",
        "GET /nothing",
        "GET /sessions",
        "POST /chat",
        "OPTIONS /chat",
        "DELETE /agent/x"
      ]
      for (const line of requests) {
        for (const when of ["at once", "answered"] as const) {
          await sendAndReset(url, head(url, line, upgrade), when)
          await sendAndReset(url, head(url, line, { ...upgrade, origin: "http://evil.example" }), when)
          await sendAndReset(url, head(url, line, { ...upgrade, "x-user-id": "" }), when)
        }
      }
    }))

  it("goes on when a stream that asks for another protocol is reset while events come", () =>
    target().unharmed(async () => {
      const client = target().client()
      const talk = await client.converse("demo-script", { delay_ms: 5 })
      await send(client, talk, "repeat 400 word ")
      for (let i = 0; i < 5; i++) {
        await sendAndReset(client.url, head(client.url, `GET /sessions/${talk.session_id}/stream`, upgrade), "answered")
        await sleep(100)
      }
    }))

  it("goes on when CONNECT, Expect and unknown expectations are reset", () =>
    target().unharmed(async () => {
      const url = target().url()
      for (const when of ["at once", "answered"] as const) {
        for (const expect of ["100-continue", "something-else"]) {
          const headers = { expect, "content-type": "application/json", "content-length": "10" }
          await sendAndReset(url, head(url, "POST /chat", headers), when)
          await sendAndReset(url, head(url, "POST /chat", { ...headers, ...upgrade }), when)
        }
        await sendAndReset(url, head(url, "CONNECT example.com:443"), when)
        await sendAndReset(url, head(url, "CONNECT example.com:443", upgrade), when)
      }
    }))

  it("goes on when a connection breaks at any byte of a request", () =>
    target().unharmed(async () => {
      const url = target().url()
      const body = "{\"name\":\"Friday\"}"
      const whole = head(url, "POST /agent/", { "content-type": "application/json", "content-length": "17" }) + body
      for (let length = 1; length <= whole.length; length += 3) await sendAndReset(url, whole.slice(0, length))
      const many = head(url, "GET /agent/").repeat(50)
      for (let i = 0; i < 5; i++) await sendAndReset(url, many, "answered")
    }))

  it.each([
    ["413", "too large", { "content-type": "application/json", "content-length": "1000000000" }],
    ["401", "nobody's", { "content-type": "application/json", "transfer-encoding": "chunked", "x-user-id": "" }],
    ["415", "no JSON", { "content-type": "text/plain", "transfer-encoding": "chunked" }],
    ["413", "endless", { "content-type": "application/json", "transfer-encoding": "chunked" }]
  ])("cuts a body that flows on after the answer (%s, %s)", async (status, _, headers) => {
    const url = target().url()
    const raw = await open(url)
    raw.send(head(url, "POST /agent/", headers))
    const chunked = "transfer-encoding" in headers
    const piece = "a".repeat(64 * 1024)
    const since = performance.now()
    let answeredAt = Infinity
    while (!raw.isClosed() && performance.now() - Math.min(answeredAt, since + patience(3_000)) < patience(3_000)) {
      if (raw.socket.writableLength === 0) raw.send(chunked ? `10000\r\n${piece}\r\n` : piece)
      if (answeredAt === Infinity && raw.text().startsWith("HTTP/1.1")) answeredAt = performance.now()
      await sleep(5)
    }
    const isClosed = raw.isClosed()
    raw.socket.destroy()
    assert.match(raw.text(), new RegExp(`^HTTP/1.1 ${status}`))
    assert.isTrue(isClosed, "The server goes on to read")
  })

  it("keeps the connection when the session is deleted whose stream it carried", async () => {
    const client = target().client()
    const { session_id } = await client.converse()
    const raw = await open(client.url)
    raw.send(head(client.url, `GET /sessions/${session_id}/stream`))
    assert.isTrue(await raw.until((text) => text.includes(": ok")), raw.text())
    await client.must("DELETE", `/sessions/${session_id}`)
    assert.isTrue(await raw.until((text) => text.includes("\r\n0\r\n\r\n")), `The stream did not end: ${raw.text()}`)
    await sleep(50)
    raw.send(head(client.url, "GET /liveness"))
    assert.isTrue(
      await raw.until((text) => text.includes("\"ok\"")),
      `The next request was not answered: ${raw.text()}`
    )
    raw.socket.destroy()
  })
})

onEach("A server under a flood of connections", (target) => {
  it(
    "answers those that ask while connections without a request and idle ones fill it",
    () =>
      target().unharmed(async () => {
        const url = target().url()
        const client = target().client()
        const talk = await client.converse()
        const raws = await Promise.all(Array.from({ length: flood }, () => open(url)))
        for (const raw of raws.slice(0, 100)) raw.send(head(url, "GET /liveness"))
        try {
          for (let i = 0; i < 10; i++) {
            const sent = await send(client, talk, "say hello")
            assert.strictEqual(sent.status, 202, sent.text)
            await sleep(100)
          }
          const { status, text } = await client.call("GET", "/health")
          assert.strictEqual(status, 200, text)
        } finally {
          closeAll(raws)
        }
      }),
    60_000
  )

  it("closes connections that never ask for anything", async () => {
    const raws = await Promise.all(Array.from({ length: 50 }, () => open(target().url())))
    const begun = await Promise.all(Array.from({ length: 50 }, async () => {
      const raw = await open(target().url())
      raw.send("GET /liveness HTTP/1.1\r\nhost:")
      return raw
    }))
    const limit = performance.now() + patience(20_000)
    const left = () => [...raws, ...begun].filter((raw) => !raw.isClosed()).length
    while (left() > 0 && performance.now() < limit) await sleep(100)
    const open_ = left()
    closeAll([...raws, ...begun])
    assert.strictEqual(open_, 0, "connections were left open")
  })
}, { descriptors })

onEach("A stream that asked for another protocol", (target) => {
  it(
    "is not the end of the server when its client has gone and the next heartbeat comes",
    () =>
      target().unharmed(async () => {
        const client = target().client()
        const { session_id } = await client.converse()
        const raw = await open(client.url)
        raw.send(head(client.url, `GET /sessions/${session_id}/stream`, upgrade))
        await raw.until((text) => text.includes(": ok"))
        const gone = await open(client.url)
        gone.send(head(client.url, `GET /sessions/${session_id}/stream`, upgrade))
        await gone.until((text) => text.includes(": ok"))
        gone.socket.destroy()
        // A heartbeat comes every 15 seconds.
        await sleep(17_000)
        raw.socket.resetAndDestroy()
      }, { within: 40_000 }),
    90_000
  )
}, { only: "PGlite" })
