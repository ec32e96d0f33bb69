import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { eventLogContract, framesAfterProperty } from "../contracts/EventLogContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

eventLogContract("Memory", Host.memory)

eventLogContract("PGlite", Host.pglite({ dataDir: undefined }))

eventLogContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)

framesAfterProperty()
