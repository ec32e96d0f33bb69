/** A conversation by the client, as a program or a page in a browser has it. */
import { type Client, type Reply, StoaError } from "../../src/http/client/Client.ts"

/** Shows a reply while it is written. */
export const show = async (client: Client, agent_id: string, input: string, print: (text: string) => void) => {
  for await (const event of client.chat({ agent_id, input })) {
    if (event.type === "TEXT_BLOCK_DELTA") print(event.delta)
    if (event.type === "REPLY_END") print("\n")
  }
}

type Allows = (tool: string) => boolean

/** Lets a person decide whenever the agent asks, until the reply has ended. */
const decide = async (client: Client, reply: Reply, allows: Allows): Promise<Reply> => {
  if (reply.waiting_for !== "user_confirmation") return reply
  const approve = Object.fromEntries(reply.calls.map(({ id, name }) => [id, allows(name)]))
  const run = await client.answer(reply, { approve })
  return decide(client, await client.reply(run), allows)
}

export const converse = async (client: Client, agent_id: string, input: string, allows: Allows): Promise<Reply> =>
  decide(client, await client.invoke({ agent_id, input }), allows)

/** What went wrong, by the server's own word. */
export const tryTo = async (call: Promise<Reply>): Promise<string> => {
  try {
    return (await call).text
  } catch (error) {
    if (error instanceof StoaError) return `${error.code} (${error.status ?? "no status"}): ${error.message}`
    throw error
  }
}
