import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { remoteAgentsContract } from "../contracts/RemoteAgentsContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

remoteAgentsContract("Memory", Host.memory)

remoteAgentsContract("PGlite", Host.pglite({ dataDir: undefined }))

remoteAgentsContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
