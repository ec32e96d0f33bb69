import * as Client from "../../src/http/client/Client.ts"
import { apiOf } from "../../src/http/client/Operations.ts"
import { show, tryTo } from "./Talk.ts"

const client = Client.make({ url: "http://127.0.0.1:8000", user: "local" })

const { agents } = await client.agents.list()
await show(client, agents[0]!.id, "Hello!", (text) => void process.stdout.write(text))
process.stdout.write(`${await tryTo(client.invoke({ session_id: "nowhere", input: "Hello?" }))}\n`)

const { runs } = await apiOf(client).runs.list({ urlParams: { limit: 10 } })
process.stdout.write(`${runs.length} runs\n`)
