import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { EventLog } from "../../src/services/EventLog.ts"
import { Storage } from "../../src/services/Storage.ts"
import { eventLogContract, framesAfterProperty } from "../contracts/EventLogContract.ts"
import { agentOf, freshOwner, pageOf, sessionOf } from "../support/fixtures.ts"
import { freshDatabase } from "../support/Postgres.ts"

eventLogContract("Memory", Host.memory)

eventLogContract("PGlite", Host.pglite({ dataDir: undefined }))

eventLogContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)

framesAfterProperty()

layer(Host.pglite({ dataDir: undefined }), { timeout: "120 seconds", excludeTestServices: true })("PGlite", (it) => {
  it.effect("says that it cannot hold a batch, and does not count as away", () =>
    Effect.gen(function*() {
      const log = yield* EventLog
      const { agents, sessions } = yield* Storage
      const agent = yield* agents.insert(agentOf(freshOwner()))
      const session = yield* sessions.insert(sessionOf(agent))
      const tooFar = pageOf(session, 1, 1, { last_seq: 2 ** 40 })
      const batch = { pages: [tooFar], runs: [], messages: [] }
      assert.strictEqual((yield* Effect.flip(log.append(batch))).reason, "broken")
      yield* log.append({ ...batch, pages: [pageOf(session, 1, 1)] })
    }))
})
