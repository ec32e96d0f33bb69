import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { ownTasksContract } from "../contracts/OwnTasksContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

ownTasksContract("Memory", Host.memory)

ownTasksContract("PGlite", Host.pglite({ dataDir: undefined }))

ownTasksContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
