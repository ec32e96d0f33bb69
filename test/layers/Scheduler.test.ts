import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { definedSchedulesContract } from "../contracts/DefinedSchedulesContract.ts"
import { schedulerContract } from "../contracts/SchedulerContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

const postgres = Layer.unwrapEffect(
  Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
)

for (const contract of [schedulerContract, definedSchedulesContract]) {
  contract("Memory", Host.memory)
  contract("PGlite", Host.pglite({ dataDir: undefined }))
  contract("PostgreSQL", postgres)
}
