/** Retrievers: what agents are told that was looked up for an input. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Retriever from "../../src/layers/Retrievers/Retriever.ts"
import { definitions } from "../support/definitions.ts"
import { tenant } from "../support/openai.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { root, write } = definitions()
const agent = (name: string, retrievers: string) => {
  write(
    `agents/${name}/AGENT.md`,
    `---\nmodel: demo/demo-script\nskills: [sums]\nretrievers: [${retrievers}]\n---\nYou look.`
  )
  write(`agents/${name}/context/known.md`, "What is known.")
}
write("skills/sums/SKILL.md", "---\ndescription: Adds.\n---\nAdd.")
agent("looker", "broken, rejects, empty, shop, several, odd, nowhere")
agent("waiter", "late, shop")
agent("large", "huge, more")
agent("both", "first, second")

let isAborted = false
let inside = 0
const meeting: Array<() => void> = []
const meets = (name: string) =>
  Retriever.make({
    name,
    patience: "20 seconds",
    retrieve: () =>
      new Promise<string>((resolve) => {
        meeting.push(() => resolve(name))
        if (++inside === 2) { for (const go of meeting) go() }
      })
  })

const retrievers = [
  Retriever.make({
    name: "broken",
    retrieve: () => {
      throw new Error("a secret")
    }
  }),
  Retriever.make({ name: "rejects", retrieve: () => Promise.reject(new Error("a secret")) }),
  Retriever.make({ name: "empty", retrieve: () => [] }),
  Retriever.make({ name: "shop", retrieve: ({ agent, text }) => `${agent} asked about ${text.length} characters` }),
  Retriever.make({ name: "several", retrieve: () => Effect.succeed(["one", " ", "two"]) }),
  Retriever.make({ name: "odd", retrieve: () => [3 as unknown as string, "a text"] }),
  Retriever.make({
    name: "late",
    patience: "100 millis",
    retrieve: (_, signal) =>
      new Promise(() => {
        signal.addEventListener("abort", () => {
          isAborted = true
        })
      })
  }),
  Retriever.make({ name: "huge", retrieve: () => Array.from({ length: 100 }, () => "x".repeat(100_000)) }),
  Retriever.make({ name: "more", retrieve: () => "more" }),
  meets("first"),
  meets("second")
]

const seen: Array<string> = []
const witness = { name: "witness", "model.before": ({ system }: { readonly system: string }) => void seen.push(system) }

const host = TestHost.layer({
  host: Host.over(Host.memory, { catalog: Files.layer({ dir: root }), retrievers, hooks: [witness] })
})

layer(host, { excludeTestServices: true, timeout: patience(60_000) })("An agent with retrievers", (it) => {
  const systemOf = (name: string) =>
    Effect.gen(function*() {
      const { call } = yield* TestHost.TestHost
      const { user } = yield* tenant()
      const body = { model: `agent/${name}`, messages: [{ role: "user", content: "say hello" }] }
      const { json, status } = yield* call("POST", "/v1/chat/completions", { user, body })
      assert.strictEqual(status, 200, JSON.stringify(json))
      assert.strictEqual(json.choices[0].message.content, "hello")
      return seen.at(-1)!
    })

  it.effect("is told what they found, behind what it knows and before its skills; those that break find nothing", () =>
    Effect.gen(function*() {
      const system = yield* systemOf("looker")
      const places = [
        "You look.",
        "# Reference Material",
        "# Retrieved Context",
        "## shop\nlooker asked about 9 characters",
        "## several\none\n\ntwo",
        "## odd\na text",
        "# Skill: sums"
      ].map((part) => system.indexOf(part))
      assert.notInclude(places, -1)
      assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
      for (const none of ["secret", "## empty", "## broken", "## nowhere"]) assert.notInclude(system, none)
    }))

  it.effect("does not wait for one that is late, and tells it so", () =>
    Effect.gen(function*() {
      const system = yield* systemOf("waiter")
      assert.include(system, "## shop")
      assert.notInclude(system, "## late")
      assert.isTrue(isAborted)
    }))

  it.effect("is told no more than there is room for", () =>
    Effect.gen(function*() {
      const system = yield* systemOf("large")
      assert.isBelow(system.length, 70_000)
      assert.isAbove(system.length, 60_000)
      assert.notInclude(system, "## more")
    }))

  it.effect("has all of them asked at the same time", () =>
    Effect.gen(function*() {
      const system = yield* systemOf("both")
      assert.include(system, "## first\nfirst\n\n## second\nsecond")
    }))

  it("cannot be given one whose name definitions could not name, or whose patience cannot be read", () => {
    assert.throws(() => Retriever.make({ name: "No name", retrieve: () => [] }))
    assert.throws(() => Retriever.make({ name: "x", patience: "1e3 seconds", retrieve: () => [] }))
  })
})
