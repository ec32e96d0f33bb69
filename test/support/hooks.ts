/** A tenant's session on a server with hooks, and what is said in it. */
import { Effect, Schedule } from "effect"
import { tenant } from "./openai.ts"
import { patience } from "./Patience.ts"
import { TestHost } from "./TestHost.ts"

/** Looks again until it is so, for a bounded time. */
export const until = <A>(look: Effect.Effect<A>, isSo: (seen: A) => boolean): Effect.Effect<A> =>
  Effect.retry(Effect.filterOrFail(look, isSo, () => "not yet"), Schedule.spaced("20 millis")).pipe(
    Effect.timeout(patience(4_000)),
    Effect.orDie
  )

export const begin = Effect.gen(function*() {
  const { call } = yield* TestHost
  const { agent_id, credential_id, user } = yield* tenant()
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
  const made = yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })
  const session_id = made.json.session_id as string
  const say = (content: string) =>
    Effect.gen(function*() {
      const input = { role: "user", name: "user", content }
      const sent = yield* call("POST", "/chat/async", { user, body: { agent_id, session_id, input } })
      if (sent.status >= 300) return { sent, run: undefined, text: "" }
      for (let tries = 0; tries < 200; tries++) {
        const { json } = yield* call("GET", `/runs/${sent.json.run_id}`, { user })
        if (json.status !== "queued" && json.status !== "running") {
          const log = yield* call("GET", `/sessions/${session_id}/messages?limit=50`, { user })
          return { sent, run: json, text: log.text }
        }
        yield* Effect.sleep("20 millis")
      }
      return yield* Effect.die("the run did not come to an end")
    })
  /** What a person is asked, and the way to say yes. */
  const parked = Effect.gen(function*() {
    const { json } = yield* call("GET", `/sessions/${session_id}/messages?limit=50`, { user })
    const reply = json.messages.at(-1)
    const asked = reply.content.find(({ state }: { readonly state: string }) => state === "asking")
    return {
      asked,
      yes: {
        type: "USER_CONFIRM_RESULT",
        reply_id: reply.id,
        confirm_results: [{ confirmed: true, tool_call: { id: asked?.id } }]
      }
    }
  })
  const send = (input: object) => call("POST", "/chat/async", { user, body: { agent_id, session_id, input } })
  const statusOf = (run: string) => Effect.map(call("GET", `/runs/${run}`, { user }), ({ json }) => json.status)
  return { parked, say, send, session_id, statusOf }
})
