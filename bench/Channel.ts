/** What a reply costs through a channel, beside the same reply through the native API. */
import type { Door } from "./Door.ts"
import { median } from "./Figures.ts"
import * as Load from "./Load.ts"
import { cpuOf, fifty, openMany, type Row, runAll, workers } from "./Work.ts"

/** An agent and a credential for the channel; answers with what a worker sends, by the way that the reply takes. */
const opened = async ({ port }: Door) => {
  const post = (path: string, body: object) => Load.ask({ port, method: "POST", path, body: JSON.stringify(body) })
  const name = `Bench ${performance.now()}`
  const { credential_id } = await post("/credential", { data: { type: "demo_credential", name } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { agent_id } = await post("/agent", { name, chat_model_config })
  const ask = async (model: string, more: object) => {
    const body = { model, stream: true, messages: [{ role: "user", content: fifty }], ...more }
    const text = await Load.read({
      port,
      method: "POST",
      path: "/v1/chat/completions",
      body: JSON.stringify(body)
    })
    if (!text.includes("\"finish_reason\":\"stop\"") || !text.endsWith("data: [DONE]\n\n")) {
      throw new Error(`The reply did not complete: ${text.slice(-1000)}`)
    }
  }
  return {
    /** In the session of a key, which is there already after the first. */
    session: (worker: number) => ask(`agent/${agent_id}`, { metadata: { session_id: `worker-${worker}` } }),
    /** In a session that is made for the request. */
    once: () => ask(`agent/${agent_id}`, {}),
    /** Without an agent. */
    model: () => ask(`${credential_id}/demo-script`, {}),
    /** By the Responses API; it is made and kept, with a session of its own. */
    response: async () => {
      const text = await Load.read({
        port,
        method: "POST",
        path: "/v1/responses",
        body: JSON.stringify({ model: `agent/${agent_id}`, stream: true, input: fifty })
      })
      if (!text.includes("event: response.completed") || !text.endsWith("data: [DONE]\n\n")) {
        throw new Error(`The response did not complete: ${text.slice(-1000)}`)
      }
    }
  }
}

const all = (times: number, work: (worker: number) => Promise<unknown>): Promise<unknown> =>
  Promise.all(Array.from({ length: workers }, async (_, worker) => {
    for (let i = 0; i < times; i++) await work(worker)
  }))

export const channel = (warmUp: (door: Door, plan: Parameters<Row["measure"]>[1]) => Promise<void>): Row => ({
  id: "channel",
  what:
    "a 50-delta reply as a chat completion against the native one: in a session, on a session of its own, a model alone; and as a response, on a session of its own",
  reach: "≤ 1.5 ×",
  on: ["memory", "pglite", "postgres"],
  limits: () => ({ session: { most: 1.5 }, once: { most: 1.5 }, model: { most: 1.5 }, response: { most: 1.5 } }),
  measure: async (door, plan) => {
    await warmUp(door, plan)
    const ways = await opened(door)
    const sessions = await openMany(door, workers, 0)
    const native = () => runAll(sessions, fifty, plan.runs)
    /** A session for each run, which is made within what is measured. */
    const fresh = () => all(plan.runs, async () => (await door.open(0)).run(fifty))
    const [session, once, model, response] = [ways.session, ways.once, ways.model, ways.response].map((way) => () =>
      all(plan.runs, way)
    )
    // Each way has its turn in each round, so that whatever else the machine does falls on all of them.
    const works = [native, fresh, session!, once!, model!, response!]
    const costs: ReadonlyArray<Array<number>> = works.map(() => [])
    for (let round = 0; round <= plan.rounds; round++) {
      for (const [i, work] of works.entries()) {
        const cpu = await cpuOf(door, work)
        // The first is to get warm.
        if (round > 0) costs[i]!.push(cpu / (workers * plan.runs) / 1000)
      }
    }
    const [ofNative, ofFresh, ofSession, ofOnce, ofModel, ofResponse] = costs.map(median)
    return [
      { name: "native", value: ofNative!, unit: "ms" },
      { name: "native, fresh", value: ofFresh!, unit: "ms" },
      { name: "session", value: ofSession! / ofNative!, unit: "×" },
      { name: "once", value: ofOnce! / ofFresh!, unit: "×" },
      { name: "model", value: ofModel! / ofNative!, unit: "×" },
      { name: "response", value: ofResponse! / ofFresh!, unit: "×" }
    ]
  }
})
