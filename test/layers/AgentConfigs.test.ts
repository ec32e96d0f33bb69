import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { agentConfigsContract } from "../contracts/AgentConfigsContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

agentConfigsContract("Memory", Host.memory)

agentConfigsContract("PGlite", Host.pglite({ dataDir: undefined }))

agentConfigsContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
