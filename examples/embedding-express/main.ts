import * as Host from "../../src/embed/Host.ts"
import { appOf } from "./App.ts"

const host = await Host.make({ data_dir: ".stoa" })
const server = appOf(host).listen(3000)

process.once("SIGTERM", () => void host.close().finally(() => server.close()))
