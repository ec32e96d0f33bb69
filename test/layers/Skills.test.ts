import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { skillsContract } from "../contracts/SkillsContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

skillsContract("Memory", Host.memory)

skillsContract("PGlite", Host.pglite({ dataDir: undefined }))

skillsContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
