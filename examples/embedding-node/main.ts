import * as Host from "../../src/embed/Host.ts"
import { serverOf } from "./Server.ts"

const host = await Host.make({ data_dir: process.env["DATA_DIR"] ?? ".stoa" })
const server = serverOf(host).listen(Number(process.env["PORT"] ?? 3000))

// The host first: it ends its streams, which a server waits for.
process.once("SIGTERM", () => void host.close().finally(() => server.close()))
