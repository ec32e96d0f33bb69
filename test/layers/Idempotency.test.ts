import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { idempotencyContract } from "../contracts/IdempotencyContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

idempotencyContract("Memory", Host.memory)

idempotencyContract("PGlite", Host.pglite({ dataDir: undefined }))

idempotencyContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
