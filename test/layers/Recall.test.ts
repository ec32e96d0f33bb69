import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { recallContract } from "../contracts/RecallContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

recallContract("Memory", Host.memory)

recallContract("PGlite", Host.pglite({ dataDir: undefined }))

recallContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
