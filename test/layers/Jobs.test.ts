import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { jobsContract } from "../contracts/JobsContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

jobsContract("Memory", Host.memory)

jobsContract("PGlite", Host.pglite({ dataDir: undefined }))

jobsContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
