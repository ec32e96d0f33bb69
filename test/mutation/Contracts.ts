/** The contracts of the engine on its quickest layer. Only the mutation tester runs this file; the suite has them on every layer. */
import * as Host from "../../src/layers/Host.ts"
import { parkingContract } from "../contracts/ParkingContract.ts"
import { recoveryContract } from "../contracts/RecoveryContract.ts"

recoveryContract("Memory", Host.memory)

parkingContract("Memory", Host.memory)
