import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { schedulerContract } from "../contracts/SchedulerContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

schedulerContract("Memory", Host.memory)

schedulerContract("PGlite", Host.pglite({ dataDir: undefined }))

schedulerContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
