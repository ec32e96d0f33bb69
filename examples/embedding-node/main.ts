import * as Host from "../../src/embed/Host.ts"
import { serverOf } from "./Server.ts"

const host = await Host.make({ data_dir: ".stoa" })
const server = serverOf(host).listen(3000)

// The host first: it ends its streams, which a server waits for.
process.once("SIGTERM", () => void host.close().finally(() => server.close()))
