import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { sessionArchiveContract } from "../contracts/SessionArchiveContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

sessionArchiveContract("Memory", Host.memory)

sessionArchiveContract("PGlite", Host.pglite({ dataDir: undefined }))

sessionArchiveContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
