import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { filesContract } from "../contracts/FilesContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

filesContract("Memory", Host.memory)

filesContract("PGlite", Host.pglite({ dataDir: undefined }))

filesContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
