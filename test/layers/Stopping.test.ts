import * as Host from "../../src/layers/Host.ts"
import { stoppingContract } from "../contracts/StoppingContract.ts"

stoppingContract("Memory", Host.memory)

stoppingContract("PGlite", Host.pglite({ dataDir: undefined }))
