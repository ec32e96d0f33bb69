import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { tasksContract } from "../contracts/TasksContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

tasksContract("Memory", Host.memory)

tasksContract("PGlite", Host.pglite({ dataDir: undefined }))

tasksContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
