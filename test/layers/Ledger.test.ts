import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { ledgerContract } from "../contracts/LedgerContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

ledgerContract("Memory", Host.memory)

ledgerContract("PGlite", Host.pglite({ dataDir: undefined }))

ledgerContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
