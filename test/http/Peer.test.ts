/** One WebSocket whose client says, reads and answers what it is told to, a second at a time. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import type { WebSocket } from "ws"
import { Peer } from "../../src/http/Peer.ts"

class Fake extends EventEmitter {
  readonly OPEN = 1
  readyState = 1
  bufferedAmount = 0
  readonly sent: Array<string> = []
  send(message: string) {
    this.sent.push(message)
  }
  ping() {
    this.sent.push("ping")
  }
  pong(data: Buffer) {
    this.sent.push(`pong ${data.toString()}`)
  }
  close(code: number, reason: string) {
    this.readyState = 2
    this.sent.push(`close ${code} ${reason}`)
  }
  terminate() {
    this.readyState = 3
    this.sent.push("cut")
    this.emit("close")
  }
}

const setUp = () => {
  const fake = new Fake()
  const socket = Object.assign(new EventEmitter(), { cork: () => {}, uncork: () => {} })
  const state = { isStopping: false }
  const peer = new Peer(fake as unknown as WebSocket, socket as unknown as Socket, {
    isStopping: () => state.isStopping,
    failed: ({ code }) => code
  })
  const pass = (seconds: number, each = () => {}) => {
    for (let i = 0; i < seconds; i++) {
      peer.tick()
      each()
    }
  }
  const say = (text: string) => fake.emit("message", Buffer.from(text), false)
  return { fake, socket, state, peer, pass, say }
}

describe("A WebSocket", () => {
  it("is pinged every 15 seconds of silence, and cut after 45", () => {
    const { fake, pass } = setUp()
    pass(44)
    assert.deepStrictEqual(fake.sent, ["ping", "ping"])
    pass(1)
    assert.deepStrictEqual(fake.sent, ["ping", "ping", "cut"])
  })

  it("stays while its client answers, and answers its client: once for all pings that came together", async () => {
    const { fake, pass } = setUp()
    pass(1_000, () => {
      if (fake.sent.at(-1) === "ping") fake.emit("pong")
    })
    assert.notInclude(fake.sent, "cut")
    const pongs = async (...pings: ReadonlyArray<string>) => {
      for (const ping of pings) fake.emit("ping", Buffer.from(ping))
      await new Promise((resolve) => setImmediate(resolve))
      return fake.sent.filter((sent) => sent.startsWith("pong"))
    }
    assert.deepStrictEqual(await pongs("w", "x"), ["pong x"])
    fake.bufferedAmount = 1
    assert.deepStrictEqual(await pongs("y"), ["pong x"])
    fake.bufferedAmount = 0
    assert.deepStrictEqual(await pongs("z"), ["pong x", "pong z"])
  })

  it.effect("ends after an hour with a sentence, but not in the middle of an answer", () =>
    Effect.gen(function*() {
      const { fake, pass, peer, say } = setUp()
      say("hello")
      assert.strictEqual((yield* peer.next).toString(), "hello")
      pass(4_000, () => fake.emit("pong"))
      assert.strictEqual(fake.readyState, 1)
      const waiting = yield* Effect.fork(peer.next)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(fake.sent.filter((sent) => sent !== "ping"), [
        "websocket_connection_limit_reached",
        "close 1000 60 minutes"
      ])
      yield* Fiber.interrupt(waiting)
    }))

  it.effect("ends when the server stops, also with messages that wait", () =>
    Effect.gen(function*() {
      const { fake, peer, say, state } = setUp()
      say("one")
      say("two")
      assert.strictEqual((yield* peer.next).toString(), "one")
      state.isStopping = true
      const waiting = yield* Effect.fork(peer.next)
      yield* Effect.yieldNow()
      assert.deepStrictEqual(fake.sent, ["close 1012 stopping"])
      yield* Fiber.interrupt(waiting)
    }))

  it.effect("keeps so many messages, and so many bytes of them, and cuts who asks on and reads nothing", () =>
    Effect.gen(function*() {
      const { fake, peer, say } = setUp()
      for (let i = 0; i < 17; i++) say(String(i))
      assert.deepStrictEqual(fake.sent, ["too_many_waiting"])
      for (let i = 0; i < 16; i++) assert.strictEqual((yield* peer.next).toString(), String(i))
      for (let i = 0; i < 3; i++) say("x".repeat(500 * 1024))
      assert.deepStrictEqual(fake.sent, ["too_many_waiting", "too_many_waiting"])
      fake.bufferedAmount = 256 * 1024 + 1
      say("x".repeat(500 * 1024))
      assert.strictEqual(fake.sent.at(-1), "cut")
      yield* peer.closed
    }))

  it.effect("lets a sender wait until it has been read", () =>
    Effect.gen(function*() {
      const { fake, peer, socket } = setUp()
      yield* peer.drained
      fake.bufferedAmount = 100 * 1024
      const waiting = yield* Effect.fork(peer.drained)
      yield* Effect.yieldNow()
      assert.isNull(waiting.unsafePoll())
      socket.emit("drain")
      yield* Fiber.join(waiting)
      assert.strictEqual(socket.listenerCount("drain"), 0)
    }))
})
