import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { storageContract } from "../contracts/StorageContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

storageContract("Memory", Host.memory)

storageContract("PGlite", Host.pglite({ dataDir: undefined }))

storageContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
