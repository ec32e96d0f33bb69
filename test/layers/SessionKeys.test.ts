import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { sessionKeysContract } from "../contracts/SessionKeysContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

sessionKeysContract("Memory", Host.memory)

sessionKeysContract("PGlite", Host.pglite({ dataDir: undefined }))

sessionKeysContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
