/** The contracts of the engine on its quickest layer. Only the mutation tester runs this file; the suite has them on every layer. */
import * as Host from "../../src/layers/Host.ts"
import { parkingContract } from "../contracts/ParkingContract.ts"
import { poisonContract } from "../contracts/PoisonContract.ts"
import { recoveryContract } from "../contracts/RecoveryContract.ts"
import { stoppingContract } from "../contracts/StoppingContract.ts"
import { twoProcessesContract } from "../contracts/TwoProcessesContract.ts"
import { processOnMemory } from "../support/peers.ts"

recoveryContract("Memory", Host.memory)

parkingContract("Memory", Host.memory)

stoppingContract("Memory", Host.memory)

poisonContract("Memory", Host.memory)

twoProcessesContract("Memory", Host.memory, processOnMemory)
