/** WebSockets by the thousand, frames that are none, and clients that ask and do not read. */
import { assert, it } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"
import { WebSocket } from "ws"
import { talk, type Talker } from "../support/webSockets.ts"
import { head, open, sendAndReset } from "./support/Sockets.ts"
import { type Client, onEach } from "./support/Target.ts"

const path = "GET /v1/responses"
const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13"
}
const model = "agent/Ada"

/** Owners, and sockets that each may have. */
const owners = 10
const each = 100

const begin = async (client: Client, parameters: object = {}) => {
  const { credential_id } = await client.must("POST", "/credential", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters }
  await client.must("POST", "/agent", { name: "Ada", chat_model_config })
  return { at: `${client.url}/v1/responses`, headers: client.headers }
}

const closeAll = (talkers: ReadonlyArray<Talker>) => {
  for (const { socket } of talkers) socket.terminate()
}

const ask = (input: string) => ({ type: "response.create", model, input })

/** A frame of a client's: its first byte, its length as it says, and what it holds. */
const frame = (first: number, length: ReadonlyArray<number>, payload: Buffer = Buffer.alloc(0)) =>
  Buffer.concat([Buffer.from([first, ...length]), Buffer.alloc(4), payload])

const masked = 0x80

const broken: ReadonlyArray<readonly [string, Buffer]> = [
  ["reserved bits", frame(0xf1, [masked | 2], Buffer.from("{}"))],
  ["an unknown opcode", frame(0x83, [masked | 2], Buffer.from("{}"))],
  ["no mask", Buffer.from([0x81, 2, 0x7b, 0x7d])],
  ["a length beyond all", frame(0x81, [masked | 127, 255, 255, 255, 255, 255, 255, 255, 255])],
  ["a length of gigabytes", frame(0x81, [masked | 127, 0, 0, 0, 8, 0, 0, 0, 0])],
  ["a long ping", frame(0x89, [masked | 126, 1, 0], Buffer.alloc(256))],
  ["a ping in pieces", frame(0x09, [masked | 2], Buffer.from("{}"))],
  ["a continuation of nothing", frame(0x80, [masked | 2], Buffer.from("{}"))],
  ["a close with half a code", frame(0x88, [masked | 1], Buffer.from([3]))],
  ["no UTF-8", frame(0x81, [masked | 2], Buffer.from([0xc3, 0x28]))]
]

onEach("WebSockets", (target) => {
  it("by the thousand leave room for others, and are answered", () =>
    target().unharmed(async () => {
      const all: Array<Talker> = []
      try {
        for (let i = 0; i < owners; i++) {
          const client = target().client(`owner-${i}`)
          const { at, headers } = await begin(client)
          for (let j = 0; j < each; j += 20) {
            all.push(...await Promise.all(Array.from({ length: 20 }, () => talk(at, { headers }))))
          }
          const more = await talk(at, { headers }).then(() => "open", ({ message }: Error) => message)
          assert.strictEqual(more, "429")
        }
        // One of each owner's asks while all of them are open.
        await Promise.all(Array.from({ length: owners }, async (_, i) => {
          const talker = all[i * each]!
          talker.send(ask("say hello"))
          await talker.until(({ type }) => type === "response.completed")
        }))
      } finally {
        closeAll(all)
      }
    }, { within: 60_000 }))

  it("that break at any byte of their handshake or of a frame are nothing but gone", () =>
    target().unharmed(async () => {
      const client = target().client("breaking")
      const { at, headers } = await begin(client)
      const whole = head(at, path, { ...upgrade, ...headers })
      for (let length = 1; length <= whole.length; length += 7) await sendAndReset(at, whole.slice(0, length))
      for (let i = 0; i < 10; i++) await sendAndReset(at, whole, "answered")
      const event = JSON.stringify(ask("say x"))
      const message = frame(0x81, [masked | 126, event.length >> 8, event.length & 255], Buffer.from(event))
      for (let length = 1; length <= message.length; length += 9) {
        const raw = await open(at)
        raw.send(whole)
        assert.isTrue(await raw.until((text) => text.includes("101")))
        raw.socket.write(message.subarray(0, length))
        await sleep(2)
        raw.socket.resetAndDestroy()
        await raw.closed
      }
    }))

  it("with frames that are none are closed", () =>
    target().unharmed(async () => {
      const { at, headers } = await begin(target().client("frames"))
      const noise = Array.from({ length: 30 }, (_, i) => [`noise ${i}`, randomBytes(1 + i * 37)] as const)
      for (const [what, bytes] of [...broken, ...noise]) {
        const raw = await open(at)
        raw.send(head(at, path, { ...upgrade, ...headers }))
        assert.isTrue(await raw.until((text) => text.includes("101")), what)
        raw.socket.write(bytes)
        if (!what.startsWith("noise")) {
          raw.socket.end()
          await raw.until(() => raw.isClosed())
          assert.isTrue(raw.isClosed(), what)
        }
        raw.socket.destroy()
      }
    }))

  it("that ask without reading, or only ping, are cut, and cost little", () =>
    target().unharmed(async () => {
      const { at, headers } = await begin(target().client("deaf"), { delay_ms: 0 })
      const deaf = await Promise.all(Array.from({ length: 20 }, () => talk(at, { headers })))
      const long = ask(`repeat 20000 ${"word".repeat(8)} `)
      for (const { send, socket } of deaf) {
        socket.pause()
        for (let i = 0; i < 20; i++) send(long)
      }
      const pinging = await talk(at, { headers })
      for (let i = 0; i < 20_000 && pinging.socket.readyState === WebSocket.OPEN; i++) {
        pinging.socket.ping("x".repeat(100))
        if (i % 1_000 === 0) await sleep(5)
      }
      await sleep(2_000)
      closeAll([...deaf, pinging])
    }, { within: 40_000 }))
}, { descriptors: 4_096 })
