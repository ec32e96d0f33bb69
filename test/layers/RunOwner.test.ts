import * as Host from "../../src/layers/Host.ts"
import { recoveryContract } from "../contracts/RecoveryContract.ts"

recoveryContract("Memory", Host.memory)
