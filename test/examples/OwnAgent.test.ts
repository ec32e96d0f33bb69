/** A program with an agent that is code, as its users start it, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import { textsOf } from "../support/agentapp.ts"
import { longest } from "../support/Example.ts"
import { clientOf, startProgram, temporaryFolder } from "../support/Server.ts"

const main = "examples/own-agent/main.ts"

const until = async <A>(ask: () => Promise<A>, isSo: (answer: A) => boolean): Promise<A> => {
  const end = Date.now() + longest
  for (;;) {
    // oxlint-disable-next-line eslint/no-await-in-loop -- a look after the other
    const answer = await ask()
    if (isSo(answer)) return answer
    if (Date.now() > end) throw new Error(`Never so: ${JSON.stringify(answer)}`)
    // oxlint-disable-next-line eslint/no-await-in-loop -- a pause between two looks
    await new Promise((next) => setTimeout(next, 50))
  }
}

describe("A program with an agent that is code", () => {
  it("is talked to natively and through channels, and remembers, also what a kill has cut off", async () => {
    const folder = await temporaryFolder()
    const words = ["serve", "--port", "0", "--data-dir", folder.path]
    let program = await startProgram(main, ...words)
    try {
      const client = () => clientOf(program.url)
      const say = async (content: string) => {
        const body = JSON.stringify({ input: [{ role: "user", content }], session_id: "tale", user_id: "kid" })
        const headers = { "x-user-id": "ada", "content-type": "application/json" }
        const response = await fetch(`${program.url}/process`, { method: "POST", headers, body })
        return textsOf(await response.text()).whole
      }
      assert.strictEqual(await say("2 words"), "Chapter 1, after 0 messages: word 1 word 2.")

      const { agents } = await client().must("GET", "/agent")
      const { sessions } = await client().must("GET", "/sessions")
      const { agent_id, id: session_id } = sessions[0]
      assert.deepInclude(agents[0].data, { name: "storyteller", code: "storyteller" })
      const body = JSON.stringify({ agent_id, session_id, input: { content: "1000 words" } })
      const chat = await client().stream("/chat", { method: "POST", body })
      await chat.until((last) => last !== undefined && last.seq > 20)
      await program.kill("SIGKILL")
      const seen = chat.frames.at(-1)!

      program = await startProgram(main, ...words)
      const messagesOf = () => client().must("GET", `/sessions/${session_id}/messages`)
      const { messages } = await until(messagesOf, ({ is_running }) => is_running === false)
      const cut = messages.at(-1)
      assert.deepInclude(cut, { role: "assistant", finished_reason: "interrupted" })
      assert.isAtLeast(seen.seq, 10)
      const told = await client().must("GET", `/sessions/${session_id}/runs`)
      assert.deepInclude(told.runs[0], { status: "ended", finished_reason: "interrupted", attempt: 2 })
      // The turn that was cut off has kept nothing: the state is that of the end of the turn before.
      assert.strictEqual(await say("1 word"), "Chapter 2, after 4 messages: word 3.")
      await program.kill("SIGTERM")
    } finally {
      await program.kill("SIGKILL")
      await folder.remove()
    }
  }, 3 * longest)
})
