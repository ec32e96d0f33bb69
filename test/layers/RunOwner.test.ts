import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { recoveryContract } from "../contracts/RecoveryContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

recoveryContract("Memory", Host.memory)

recoveryContract("PGlite", Host.pglite({ dataDir: undefined }))

recoveryContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
