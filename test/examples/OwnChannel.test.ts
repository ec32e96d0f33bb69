import { assert, layer } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import { createHmac } from "node:crypto"
import { letters } from "../../examples/own-channel/Letters.ts"
import type { Channel } from "../../src/http/channels/Channel.ts"
import * as Mounts from "../../src/http/channels/Mounts.ts"
import * as Server from "../../src/http/Server.ts"
import { eventually } from "../support/live.ts"
import { type Receiver, receiver } from "../support/Receiver.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

const secret = "letters-secret"

const mounted = (channel: Channel) =>
  Either.getOrThrow(Mounts.mount([channel], Server.nativeRoutes, { settings: {}, trusted: false }))

/** The service that calls, and is called. */
let service: Receiver

const host = Layer.unwrapScoped(Effect.map(receiver, (started) => {
  service = started
  const channel = letters({ owner: "ada", agent: "Ada", secret, replyTo: started.url })
  return TestHost.layer({ channels: mounted(channel) })
}))

layer(host, { excludeTestServices: true })(
  "A channel of a program's own",
  (it) => {
    const world = Effect.gen(function*() {
      const { call } = yield* Host
      const user = "ada"
      const { credential_id } =
        (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } }))
          .json
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      const { agents } = (yield* call("GET", "/agent", { user })).json
      if (agents.length === 0) yield* call("POST", "/agent", { user, body: { name: "Ada", chat_model_config } })
      const send = (body: object, signature?: string) => {
        const text = JSON.stringify(body)
        const signed = signature ?? createHmac("sha256", secret).update(text).digest("hex")
        return call("POST", "/letters/receive", { text, headers: { "x-signature": signed } })
      }
      return { call, send }
    })

    it.scoped("answers at once, and delivers the replies of a chat in their order, also when the service fails at first", () =>
      Effect.gen(function*() {
        const { call, send } = yield* world
        let failures = 2
        service.answer = (_, response) => response.writeHead(failures-- > 0 ? 503 : 204).end()
        const before = Date.now()
        const first = yield* send({ id: "1", chat: "porch", text: "sleep 400\nsay one" })
        assert.deepInclude(first, { status: 200, text: "{\"ok\":true}" })
        assert.isBelow(Date.now() - before, 5_000)
        yield* send({ id: "2", chat: "porch", text: "say two" })
        yield* send({ id: "3", chat: "garden", text: "say three" })
        // The service did not hear that we had it.
        yield* send({ id: "1", chat: "porch", text: "sleep 400\nsay one" })
        yield* eventually("all are delivered", Effect.sync(() => service.got.length), (count) => count === 5)
        const inPorch = service.got.map(({ json }) => json).filter(({ chat }) => chat === "porch").map(({ text }) =>
          text
        )
        assert.deepStrictEqual([...new Set(inPorch)], ["one", "two"])
        yield* send({ id: "4", chat: "porch", text: "/reset" })
        yield* send({ id: "5", chat: "porch", text: "context" })
        yield* eventually("the last is delivered", Effect.sync(() => service.got.length), (count) => count === 7)
        assert.strictEqual(JSON.parse(service.got.at(-1)!.json.text).messages, 1)
        const { total } = (yield* call("GET", "/sessions", { user: "ada" })).json
        assert.strictEqual(total, 3)
      }))

    it.scoped("refuses what is not signed, and what it cannot read, in its own words", () =>
      Effect.gen(function*() {
        const { send } = yield* world
        service.got.length = 0
        const call = { id: "9", chat: "porch", text: "say x" }
        for (
          const [body, signature, status] of [
            [call, "00", 401],
            [call, "", 401],
            [call, createHmac("sha256", "another").update(JSON.stringify(call)).digest("hex"), 401],
            [{ ...call, text: "" }, undefined, 422],
            [{ ...call, text: "x".repeat(70_000) }, undefined, 413]
          ] as const
        ) {
          const answer = yield* send(body, signature)
          assert.strictEqual(answer.status, status, answer.text)
          assert.deepInclude(answer.json, { ok: false })
        }
        assert.isEmpty(service.got)
      }))
  }
)
