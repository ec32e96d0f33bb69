/** A conversation by the client, as a program or a page in a browser has it. */
import { type Client, type Reply, StoaError } from "../../src/http/client/Client.ts"

/** Shows a reply while it is written. */
export const show = async (client: Client, agent_id: string, input: string, print: (text: string) => void) => {
  for await (const event of client.chat({ agent_id, input })) {
    if (event.type === "TEXT_BLOCK_DELTA") print(event.delta)
    if (event.type === "REPLY_END") print("\n")
  }
}

/** Lets a person decide whenever the agent asks, until the reply has ended. */
export const converse = async (
  client: Client,
  agent_id: string,
  input: string,
  allows: (tool: string) => boolean
): Promise<Reply> => {
  let reply = await client.invoke({ agent_id, input })
  while (reply.waiting_for === "user_confirmation") {
    const approve = Object.fromEntries(reply.calls.map(({ id, name }) => [id, allows(name)]))
    // oxlint-disable-next-line eslint/no-await-in-loop -- each answer follows from the one before
    reply = await client.reply(await client.answer(reply, { approve }))
  }
  return reply
}

/** What went wrong, by the server's own word. */
export const tryTo = async (call: Promise<Reply>): Promise<string> => {
  try {
    return (await call).text
  } catch (error) {
    if (error instanceof StoaError) return `${error.code} (${error.status ?? "no status"}): ${error.message}`
    throw error
  }
}
