/** What agents elsewhere, and their cards, may say: bounded, never believed, and never a way into the server's network. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { remoteToolOf } from "../../src/domain/RemoteAgent.ts"
import * as Host from "../../src/layers/Host.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import * as RemoteAgentsStored from "../../src/layers/RemoteAgents/Stored.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { OutboundRefused } from "../../src/services/Outbound.ts"
import { RemoteAgents } from "../../src/services/RemoteAgents.ts"
import { Storage } from "../../src/services/Storage.ts"
import { agentOf, freshOwner, runOf, sessionOf } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"
import { agentUrl, always, cardAt, type Played, played, saidIn, streamOf, taskOf } from "../support/remoteAgent.ts"

const url = "https://weather.example"

const vault = VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] })

const over = <A, E>(
  remote: Pick<Played, "outbound">,
  work: Effect.Effect<A, E, RemoteAgents | Storage>,
  tool_seconds = 20
) =>
  Effect.provide(
    work,
    RemoteAgentsStored.layerWith({ tool_seconds }).pipe(
      Layer.provide(Layer.merge(remote.outbound, vault)),
      Layer.provideMerge(Host.memory)
    )
  )

/** What is wrong with a card. */
const refusedWith = (card: unknown, headers: Readonly<Record<string, string>> = {}) => {
  const remote = played()
  remote.card = card as object
  return over(
    remote,
    Effect.flatMap(
      RemoteAgents,
      ({ add }) => Effect.map(Effect.flip(add(freshOwner(), { url, headers })), ({ detail }) => detail)
    )
  )
}

/** What comes of one call. */
const calledWith = (remote: Played, args: object = { message: "Will it rain?" }, headers = {}, tool_seconds = 20) =>
  over(
    remote,
    Effect.gen(function*() {
      const { add, all, call } = yield* RemoteAgents
      const { agents, runs, sessions } = yield* Storage
      const agent = yield* agents.insert(agentOf(freshOwner()))
      const session = yield* sessions.insert(sessionOf(agent))
      const run = yield* runs.insert(runOf(session))
      yield* add(agent.user_id, { url, headers })
      const [one] = yield* all(agent.user_id)
      const answer = yield* call({ agent, session, run }, { tool: remoteToolOf(one!), call: "c1", ...args })
      return { ...answer, asked: remote.asked, text: answer?.text ?? "" }
    }),
    tool_seconds
  )

const body = (text: string, contentType = "application/json") =>
  new Response(text, { headers: { "content-type": contentType } })

layer(Layer.empty, { excludeTestServices: true, timeout: patience(60_000) })("Agents elsewhere", (it) => {
  it.effect("are refused whose card is not one of A2A 1.0", () =>
    Effect.gen(function*() {
      const binding = (changes: object) =>
        cardAt(agentUrl, {
          supportedInterfaces: [{ url: agentUrl, protocolBinding: "JSONRPC", protocolVersion: "1.0", ...changes }]
        })
      for (
        const [card, why] of [
          ["a text", "no card"],
          [[], "no card"],
          [{}, "no card of A2A 1.0 (name)"],
          [cardAt(agentUrl, { name: "" }), "(name)"],
          [
            cardAt(agentUrl, { skills: Array.from({ length: 300 }, () => ({ id: "a", name: "a", description: "" })) }),
            "(skills)"
          ],
          [binding({ protocolVersion: "0.3.0" }), "speaks no A2A 1.0"],
          [binding({ protocolBinding: "GRPC" }), "speaks no A2A 1.0"],
          [binding({ url: "/relative" }), "speaks no A2A 1.0"],
          [binding({ url: "http://127.0.0.1/a2a" }), "may not be reached"],
          [binding({ url: "https://ada:secret@weather.example/a2a" }), "may not be reached"],
          [cardAt(agentUrl, { description: "x".repeat(300 * 1024) }), "more than is read"],
          [
            cardAt(agentUrl, { capabilities: { extensions: [{ uri: "https://ext.example/pay", required: true }] } }),
            "needs the extension https://ext.example/pay"
          ]
        ] as const
      ) assert.include(yield* refusedWith(card), why)
    }))

  it.effect("are refused whose calls go to another server than the headers were given for", () =>
    Effect.gen(function*() {
      const elsewhere = cardAt("https://other.example/a2a")
      const headers = { authorization: "Bearer a-very-secret-key-1" }
      assert.include(yield* refusedWith(elsewhere, headers), "another server")
      const remote = played()
      remote.card = elsewhere
      const { asked } = yield* calledWith(remote)
      assert.strictEqual(asked[0]?.url, "https://other.example/a2a")
    }))

  it.effect("are not looked for in the server's own network, nor followed into it", () =>
    Effect.gen(function*() {
      const guarded = { outbound: OutboundGuarded.layer({ hosts: [], loopback: false }) }
      for (
        const inner of [
          "http://127.0.0.1:9/card.json",
          "https://127.0.0.1/card.json",
          "https://[::1]/card.json",
          "http://169.254.169.254/latest/meta-data",
          "https://metadata.google.internal/",
          "https://10.0.0.7/",
          "https://stoa.internal/card.json",
          "https://2130706433/card.json",
          "http://weather.example/"
        ]
      ) {
        const refused = yield* over(
          guarded,
          Effect.flatMap(RemoteAgents, ({ add }) => Effect.flip(add(freshOwner(), { url: inner, headers: {} })))
        )
        assert.include(refused.detail, "may not be reached from here", inner)
      }
      const remote = played()
      remote.answer = () => {
        throw new TypeError("fetch failed", {
          cause: new OutboundRefused({ code: "redirect_not_followed", location: "http://169.254.169.254/" })
        })
      }
      const { isFailed, text } = yield* calledWith(remote)
      assert.isTrue(isFailed)
      assert.include(text, "may not be reached from here")
      assert.notInclude(text, "169.254")
    }))

  it.effect("answer what cannot be read, and are told of as that", () =>
    Effect.gen(function*() {
      for (
        const [answer, why] of [
          [() => body("<html>"), "has not answered with JSON"],
          [() => body(""), "cannot be understood"],
          [() => body("null"), "cannot be understood"],
          [() => body("[".repeat(100_000)), "more than is read"],
          [() => body(`{"result":"${"x".repeat(9 * 1024 * 1024)}"}`), "more than is read"],
          [() => body(`{"result":[${"0,".repeat(20_000)}0]}`), "more than is read"],
          [() => ({ task: { id: 7 } }), "cannot be understood"],
          [() => ({ task: taskOf("x".repeat(600), "WORKING") }), "cannot be understood"],
          [() => ({}), "cannot be understood"],
          [() => body("data: {\"jsonrpc\"\n\n", "text/event-stream"), "has not answered with JSON"],
          [() => body("", "text/event-stream"), "cannot be understood"],
          [() => body(`data: ${"x".repeat(9 * 1024 * 1024)}\n\n`, "text/event-stream"), "more than is read"],
          [
            () => new Response(JSON.stringify({ error: { message: "No money\nleft." } }), { status: 402 }),
            "has refused it: No money left."
          ],
          [() => new Response("<html>", { status: 503 }), "has refused it: HTTP 503"]
        ] as const
      ) {
        const remote = played()
        remote.answer = answer
        const { isFailed, text } = yield* calledWith(remote)
        assert.isTrue(isFailed, why)
        assert.include(text, why)
      }
    }))

  it.effect("are told of with what they have said, in few words, whatever their task is called", () =>
    Effect.gen(function*() {
      const message = { messageId: "q", role: "ROLE_AGENT", parts: [{ text: "Because." }] }
      for (
        const [state, isFailed, ...said] of [
          ["COMPLETED", false, "Rain."],
          ["FAILED", true, "has failed", "Rain.", "Because."],
          ["CANCELED", true, "has cancelled it"],
          ["REJECTED", true, "does not do that", "Because."],
          ["AUTH_REQUIRED", false, "authorized by a person", "Because.", "\"task-1\""],
          ["SOMETHING_NEW", true, "has failed"]
        ] as const
      ) {
        const remote = played()
        remote.answer = always(
          taskOf("task-1", state, { ...saidIn("Rain."), status: { state: `TASK_STATE_${state}`, message } })
        )
        const answer = yield* calledWith(remote)
        assert.strictEqual(answer.isFailed, isFailed, state)
        for (const words of said) assert.include(answer.text, words, state)
      }
      const long = played()
      long.answer = always(taskOf("task-1", "COMPLETED", saidIn(`\0${"x".repeat(1_000_000)}`)))
      const { text } = yield* calledWith(long)
      assert.isBelow(text.length, 40_000)
      assert.include(text, "[truncated]")
      assert.notInclude(text, "\0")
      const short = played()
      short.answer = () => ({ message: { messageId: "m", role: "ROLE_AGENT", parts: [{ text: "Sun." }] } })
      assert.strictEqual((yield* calledWith(short)).text, "Sun.")
    }))

  it.effect("hand over files, and names of files", () =>
    Effect.gen(function*() {
      const remote = played()
      const parts = [
        { raw: "aGk=", mediaType: "text/csv", filename: "a.csv" },
        { raw: "no base64!", mediaType: "text/csv" },
        { url: "https://weather.example/map.png", filename: "map.png" }
      ]
      remote.answer = always(taskOf("task-1", "COMPLETED", { artifacts: [{ artifactId: "a", parts }] }))
      const { files, text } = yield* calledWith(remote)
      assert.deepStrictEqual(files?.map(({ data, media_type }) => [data, media_type]), [["aGk=", "text/csv"]])
      assert.include(text, "[File a.csv (text/csv)]")
      assert.include(text, "[File map.png https://weather.example/map.png]")
    }))

  it.effect("are followed by their streams, and asked where those break", () =>
    Effect.gen(function*() {
      const streaming = { capabilities: { streaming: true } }
      const status = (state: string) => ({ statusUpdate: { taskId: "task-1", contextId: "c", status: { state } } })
      const artifactUpdate = { artifactUpdate: { taskId: "task-1", artifact: { artifactId: "a", parts: [] } } }
      for (
        const frames of [
          [{ task: taskOf("task-1", "WORKING") }, artifactUpdate, status("TASK_STATE_COMPLETED")],
          [{ task: taskOf("task-1", "WORKING") }],
          [status("TASK_STATE_WORKING"), status("TASK_STATE_SOMETHING")]
        ]
      ) {
        const remote = played()
        remote.card = cardAt(agentUrl, streaming)
        remote.answer = ({ method }) =>
          method === "SendStreamingMessage" ? streamOf(...frames) : taskOf("task-1", "COMPLETED", saidIn("Rain."))
        const { asked, text } = yield* calledWith(remote)
        assert.strictEqual(text, "Rain.")
        assert.deepStrictEqual(asked.map(({ method }) => method), ["SendStreamingMessage", "GetTask"])
      }
    }))

  it.effect("are left when they say nothing, and their connection is closed", () =>
    Effect.gen(function*() {
      const remote = played()
      remote.card = cardAt(agentUrl, { capabilities: { streaming: true } })
      let closed = false
      remote.answer = ({ signal }) =>
        new Response(
          new ReadableStream<Uint8Array>({
            start: (controller) => {
              controller.enqueue(new TextEncoder().encode(": ping\n\n"))
              signal?.addEventListener("abort", () => {
                closed = true
                controller.error(new Error("aborted"))
              })
            }
          }),
          { headers: { "content-type": "text/event-stream" } }
        )
      const { isFailed, text } = yield* calledWith(remote, { message: "Will it rain?" }, {}, 1)
      assert.isTrue(isFailed)
      assert.include(text, "has not answered in time")
      assert.isTrue(closed)
    }))

  it.effect("are spoken to by REST, where their card has it", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const remote = played()
      const card = cardAt(agentUrl, {
        supportedInterfaces: [{
          url: `${agentUrl}/`,
          protocolBinding: "HTTP+JSON",
          protocolVersion: "1.0",
          tenant: "t 1"
        }]
      })
      remote.card = card
      remote.answer = ({ url }) => {
        asked.push(url)
        return new Response(JSON.stringify(
          url.endsWith("message:send")
            ? { task: taskOf("a/b", "WORKING") }
            : taskOf("a/b", "COMPLETED", saidIn("Rain."))
        ))
      }
      const { text } = yield* calledWith(remote)
      assert.strictEqual(text, "Rain.")
      assert.deepStrictEqual(asked, [`${agentUrl}/t%201/message:send`, `${agentUrl}/t%201/tasks/a%2Fb`])
    }))

  it.effect("do not tell their headers to the model when they repeat them", () =>
    Effect.gen(function*() {
      const remote = played()
      remote.answer = always(taskOf("task-1", "COMPLETED", saidIn("You are a-very-secret-key-1.")))
      const headers = { authorization: "Bearer a-very-secret-key-1" }
      const { text } = yield* calledWith(remote, { message: "Who am I?" }, headers)
      assert.notInclude(text, "a-very-secret-key-1")
    }))
})
