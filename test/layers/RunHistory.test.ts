import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { runHistoryContract } from "../contracts/RunHistoryContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

runHistoryContract("Memory", Host.memory)

runHistoryContract("PGlite", Host.pglite({ dataDir: undefined }))

runHistoryContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
