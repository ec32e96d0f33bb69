import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { tenantsContract } from "../contracts/TenantsContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

tenantsContract("Memory", Host.memory)

tenantsContract("PGlite", Host.pglite({ dataDir: undefined }))

tenantsContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
