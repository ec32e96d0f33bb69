import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { delegationContract } from "../contracts/DelegationContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

delegationContract("Memory", Host.memory)

delegationContract("PGlite", Host.pglite({ dataDir: undefined }))

delegationContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
