import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import { parkingContract } from "../contracts/ParkingContract.ts"
import { freshDatabase } from "../support/Postgres.ts"

parkingContract("Memory", Host.memory)

parkingContract("PGlite", Host.pglite({ dataDir: undefined }))

parkingContract(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
