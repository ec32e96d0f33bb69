/** Whom the operator's definitions tell of runs. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Host from "../../src/layers/Host.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import { Catalog } from "../../src/services/Catalog.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { definitions } from "../support/definitions.ts"
import { eventually } from "../support/live.ts"
import { tenant } from "../support/openai.ts"
import { patience } from "../support/Patience.ts"
import { receiver, signatureOf } from "../support/Receiver.ts"
import * as TestHost from "../support/TestHost.ts"

const { root, write } = definitions()

const agent = (name: string, notifications: string) =>
  write(`agents/${name}/AGENT.md`, `---\nmodel: demo/demo-script\n${notifications}\n---\nYou are ${name}.`)

agent("plain", "tags: []")

const secret = `whsec_${Buffer.from(new Uint8Array(32).fill(5)).toString("base64")}`

/** A host with a receiver for each kind of it, which is made first: its address is a setting. */
const host = Layer.unwrapScoped(Effect.map(receiver, (ops) => {
  const host = Host.over(Host.memory, {
    catalog: Files.layer({ dir: root }),
    outbound: OutboundGuarded.layer({ hosts: [], loopback: true }),
    run_seconds: 1,
    receivers: [{ name: "ops", url: Redacted.make(`${ops.url}/named?key=hidden`), secret: Redacted.make(secret) }]
  })
  const looping = Layer.scopedContext(
    Effect.tap(Layer.build(host), (context) => Effect.forkScoped(Context.get(context, Jobs).run))
  )
  return Layer.merge(TestHost.layer({ host: looping }), Layer.succeed(Ops, ops))
}))

class Ops extends Context.Tag("stoa/test/http/Ops")<Ops, Effect.Effect.Success<typeof receiver>>() {}

layer(host, { excludeTestServices: true, timeout: patience(60_000) })("Notifications of definitions", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const ops = yield* Ops
    const { key, user } = yield* tenant()
    const ask = (method: string, path: string, body?: unknown) =>
      call(method, path, { headers: { authorization: `Bearer ${key}` }, ...body !== undefined && { body } })
    const invoke = (name: string, message: string, options = {}) =>
      Effect.map(ask("POST", `/v1/agents/${name}/invoke`, { message, options }), ({ json }) => json)
    const got = (path: string, count = 1) =>
      eventually(
        `${count} at ${path}`,
        Effect.sync(() => ops.got.filter((one) => one.path.startsWith(path))),
        ({ length }) => length >= count
      )
    const told = Effect.map(ask("GET", "/v1/notifications"), ({ json }) => json)
    const reload = Effect.flatMap(Catalog, ({ reload }) => reload)
    return { ask, got, invoke, ops, reload, told, user }
  })

  it.effect("tell a named receiver, signed, of each run of their agent, and of no other", () =>
    Effect.gen(function*() {
      const { ask, got, invoke, ops, reload, told } = yield* world
      agent("ada", "notifications: { on_complete: [{ channel: webhook, target: ops }] }")
      yield* reload
      yield* invoke("plain", "say nothing")
      const { execution_id } = yield* invoke("ada", "say hello")
      const [one] = yield* got("/named")
      assert.strictEqual(one!.path, "/named?key=hidden")
      assert.deepInclude(one!.json, { type: "run.completed" })
      assert.deepInclude(one!.json.data.run, { id: execution_id, reply: "hello" })
      assert.strictEqual(one!.headers["webhook-signature"], signatureOf(secret, one!))
      yield* invoke("ada", "say again")
      yield* got("/named", 2)
      assert.strictEqual(ops.got.filter(({ json }) => json.data.agent.name === "plain").length, 0)
      const { items, total } = yield* eventually("both are delivered", told, ({ items }) =>
        items.length === 2 && items.every(({ status }: { status: string }) =>
          status === "delivered"
        ))
      assert.strictEqual(total, 2)
      // The query of the address is a secret of the operator's.
      assert.strictEqual(items[0].target, `${ops.url}/named`)
      const { json } = yield* ask("GET", "/notification")
      assert.deepInclude(json.notifications[0], { definition: "ada", name: "ada: on_complete" })
      assert.notInclude(JSON.stringify(json), "hidden")
      const { id } = json.notifications[0]
      for (
        const [method, path, body] of [["DELETE", ""], ["PATCH", "", { enabled: false }], ["POST", "/test"]] as const
      ) {
        const refused = yield* ask(method, `/notification/${id}${path}`, body)
        assert.deepStrictEqual([refused.status, refused.json.code], [409, "notification_defined"])
      }
      assert.deepStrictEqual((yield* ask("GET", "/v1/agents/ada")).json.notifications, {
        on_complete: [{ channel: "webhook", target: "ops" }],
        on_error: [],
        on_timeout: []
      })
    }))

  it.effect("tell failures, timeouts and what was stopped apart, with texts and bodies of their own", () =>
    Effect.gen(function*() {
      const { got, invoke, ops, reload } = yield* world
      const to = (path: string, more = "") => `[{ channel: webhook, url: "${ops.url}/${path}"${more} }]`
      const body = JSON.stringify(JSON.stringify({ what: "{{event}}", why: "{{error}}", said: "{{reply}}" }))
      agent(
        "bob",
        `notifications: { on_error: ${to("error", `, payload_template: ${body}`)}, on_timeout: ${to("late")}, `
          + `on_complete: [{ channel: slack, url: "${ops.url}/slack/secret", template: "{{agent_name}} {{outcome}}" }] }`
      )
      yield* reload
      yield* invoke("bob", "fail invalid_request say \"no\"")
      const [failed] = yield* got("/error")
      assert.strictEqual(failed!.json.what, "run.failed")
      assert.isAbove(failed!.json.why.length, 0)
      yield* invoke("bob", "sleep 5000")
      const [late] = yield* got("/late")
      assert.deepInclude(late!.json.data.run.error, { code: "run_timeout" })
      assert.lengthOf(yield* got("/error"), 1)
      yield* invoke("bob", "say done")
      const [slack] = yield* got("/slack")
      assert.deepStrictEqual(slack!.json, { text: "bob has finished" })
    }))

  it.effect("follow the file, and write down what this server may not reach", () =>
    Effect.gen(function*() {
      const { invoke, ops, reload, told } = yield* world
      agent("cay", "notifications: { on_complete: [{ channel: webhook, url: \"http://10.0.0.1/inner\" }] }")
      yield* reload
      yield* invoke("cay", "say hello")
      const { items } = yield* eventually("it is written down", told, ({ items }) => items[0]?.status === "failed")
      assert.match(items[0].last_error, /The address is not allowed/)
      agent("cay", "tags: []")
      yield* reload
      yield* invoke("cay", "say hello")
      yield* invoke("ada", "say last")
      yield* eventually(
        "another is told",
        Effect.sync(() => ops.got.map(({ body }) => body).join()),
        (all) => all.includes("last")
      )
      assert.strictEqual(
        (yield* told).items.filter(({ target }: { target: string }) => target.includes("10.0.0.1")).length,
        1
      )
    }))
})
