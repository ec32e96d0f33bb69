import * as Host from "../../src/layers/Host.ts"
import { poisonContract } from "../contracts/PoisonContract.ts"

poisonContract("Memory", Host.memory)

poisonContract("PGlite", Host.pglite({ dataDir: undefined }))
