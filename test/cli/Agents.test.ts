/** `stoa agents`, against a whole server. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"
import { stoa } from "./Desk.ts"

layer(TestHost.layer(), { timeout: patience(60_000), excludeTestServices: true })("stoa agents", (it) => {
  it.effect("gives an agent a model, and says in which channels it is seen", () =>
    Effect.gen(function*() {
      const { url } = yield* TestHost.TestHost
      const run = (...words: ReadonlyArray<string>) => stoa({}, "agents", ...words, "--url", url)
      const data = (text: string) => JSON.parse(text).data
      const made = yield* run("create", "Friday", "--model", "demo:demo-chat", "--channels", "none")
      assert.strictEqual(made.code, 0, made.err)
      const id = made.out.trim()
      const first = data((yield* run("get", id, "-o", "json")).out)
      assert.deepInclude(first.chat_model_config, { type: "demo_credential", model: "demo-chat" })
      assert.strictEqual(first.channels, "none")
      const { code } = yield* run("update", id, "--channels", "chat_completions, letters")
      assert.strictEqual(code, 0)
      const second = data((yield* run("get", id, "-o", "json")).out)
      assert.deepStrictEqual(second.channels, ["chat_completions", "letters"])
      assert.deepStrictEqual(second.chat_model_config, first.chat_model_config)
      assert.match((yield* run("get", id)).out, /model\s+demo:demo-chat\s+channels\s+chat_completions, letters/)
      assert.strictEqual((yield* run("update", id, "--credential", "c")).code, 2)
      const wrong = yield* run("update", id, "--channels", "A B")
      assert.match(
        wrong.err,
        /^stoa: channels\.0: Expected a channel's name: small letters, digits and underscores\.?\n$/
      )
    }))
})
