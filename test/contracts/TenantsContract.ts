/** What every Tenants layer promises, over the layers that write what tenants own. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { EventLog } from "../../src/services/EventLog.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Tenants } from "../../src/services/Tenants.ts"
import { agentOf, credentialOf, freshOwner, keyOf, later, runOf, sessionOf, time } from "../support/fixtures.ts"
import { entryOf } from "../support/ledger.ts"

export const tenantsContract = <E>(name: string, backend: Layer.Layer<Storage | EventLog | Tenants, E>): void =>
  layer(backend, { timeout: "120 seconds", excludeTestServices: true })(`Tenants contract: ${name}`, (it) => {
    it.effect("knows nobody where nobody owns anything", () =>
      Effect.gen(function*() {
        const tenants = yield* Tenants
        assert.deepStrictEqual(yield* tenants.list(undefined, 10), [])
      }))

    it.effect("lists whoever owns something, by name, with how much it is and when it last changed", () =>
      Effect.gen(function*() {
        const tenants = yield* Tenants
        const { agents, credentials, keys, sessions } = yield* Storage
        const log = yield* EventLog
        const [busy, keyed, gone, careful] = [freshOwner(), freshOwner(), freshOwner(), freshOwner()]
        const agent = yield* agents.insert(agentOf(busy))
        yield* agents.insert(agentOf(busy))
        const session = yield* sessions.insert(sessionOf(agent))
        const runs = [runOf(session), { ...runOf(session), updated_at: later }]
        yield* log.append({ pages: [], runs, messages: [] })
        yield* keys.insert(keyOf(keyed))
        yield* log.append({ pages: [], runs: [], messages: [], usage: [entryOf(sessionOf(agentOf(gone)))] })
        yield* credentials.insert(credentialOf(careful))
        const none = { agents: 0, credentials: 0, sessions: 0, runs: 0, keys: 0, last_active_at: null }
        const expected = [
          { ...none, user_id: busy, agents: 2, sessions: 1, runs: 2, last_active_at: later },
          { ...none, user_id: keyed, keys: 1 },
          { ...none, user_id: gone },
          { ...none, user_id: careful, credentials: 1 }
        ]
        assert.isBelow(time.localeCompare(later), 0)
        assert.deepStrictEqual(yield* tenants.list(undefined, 10), expected)
        assert.deepStrictEqual(yield* tenants.list(undefined, 2), expected.slice(0, 2))
        assert.deepStrictEqual(yield* tenants.list(keyed, 2), expected.slice(2))
        assert.deepStrictEqual(yield* tenants.list(careful, 2), [])
      }))
  })
