import { serve } from "@hono/node-server"
import * as Host from "../../src/embed/Host.ts"
import { appOf } from "./App.ts"

const host = await Host.make({ data_dir: ".stoa" })
const server = serve({ fetch: appOf(host).fetch, port: 3000 })

process.once("SIGTERM", () => void host.close().finally(() => server.close()))
