/** What is typed after `stoa serve`, beside the environment and the settings file. */
import { CliConfig, Command } from "@effect/cli"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Env } from "../../src/cli/Env.ts"
import { config } from "../../src/cli/Grammar.ts"
import { options, read } from "../../src/cli/serve/Options.ts"
import type { Settings } from "../../src/domain/Settings.ts"

const settingsOf = (env: Readonly<Record<string, string>>, ...words: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const found: Array<Settings> = []
    const command = Command.make("serve", options, (flags) =>
      Effect.map(read(flags), (settings) => {
        found.push(settings)
      }))
    yield* Command.run(command, { name: "stoa", version: "0" })(["node", "stoa", ...words]).pipe(
      Effect.provideService(Env, env),
      Effect.provideService(CliConfig.CliConfig, config),
      Effect.provide(NodeContext.layer)
    )
    return found[0]!
  })

const switches = ["accept_new_vault_key", "log_requests", "session_titles", "trust_user_header", "worker_only"] as const

describe("A switch of stoa serve", () => {
  for (const name of switches) {
    for (const value of [true, false]) {
      it.effect(`leaves ${name} to the environment when it is not typed: ${value}`, () =>
        Effect.gen(function*() {
          const settings = yield* settingsOf({ [`STOA_${name.toUpperCase()}`]: `${value}` })
          assert.strictEqual(settings[name], value)
        }))
    }
  }

  it.effect("leaves the default when nothing says otherwise", () =>
    Effect.gen(function*() {
      const { accept_new_vault_key, log_requests, session_titles, trust_user_header } = yield* settingsOf({})
      assert.deepStrictEqual([accept_new_vault_key, log_requests, session_titles, trust_user_header], [
        false,
        true,
        false,
        false
      ])
    }))

  it.effect("wins over the environment when it is typed", () =>
    Effect.gen(function*() {
      const env = { STOA_LOG_REQUESTS: "true", STOA_SESSION_TITLES: "false", STOA_TRUST_USER_HEADER: "false" }
      const words = ["--no-log-requests", "--session-titles", "--trust-user-header"]
      const { log_requests, session_titles, trust_user_header } = yield* settingsOf(env, ...words)
      assert.deepStrictEqual([log_requests, session_titles, trust_user_header], [false, true, true])
    }))
})
