/** Stores of sessions under test: hosts to follow, networks that break, and waits for what a snapshot says. */
import { assert } from "@effect/vitest"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import type { Client } from "../../src/http/client/Client.ts"
import type { SessionSnapshot, SessionStore } from "../../src/http/client/Store.ts"
import { patience } from "./Patience.ts"

type Fetch = typeof globalThis.fetch

/** Numbers from 0 to 1 that are the same for the same seed. */
export const random = (seed: number) => () => {
  seed = (seed * 1_664_525 + 1_013_904_223) % 2 ** 32
  return seed / 2 ** 32
}

const cutAfter = (bytes: number) => {
  let left = bytes
  return new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      controller.enqueue(chunk.subarray(0, left))
      left -= chunk.length
      if (left <= 0) controller.error(new TypeError("terminated"))
    }
  })
}

/** A network on which requests to read fail as the dice say, and streams break at any byte. */
export const breaking = (fetch: Fetch, dice: () => number, isBad: () => boolean): Fetch => async (input, init) => {
  const isRead = (init?.method ?? "GET") === "GET"
  if (isBad() && isRead && dice() < 0.1) throw new TypeError("fetch failed")
  const response = await fetch(input, init)
  if (!isBad() || !String(input).includes("/stream") || response.body === null) return response
  const { headers, status } = response
  return new Response(response.body.pipeThrough(cutAfter(Math.floor(dice() * 6_000))), { headers, status })
}

/** An agent and a session of the demo model that plays scripts. */
export const newSession = async (client: Client) => {
  const { credential_id } = await client.credentials.create({ type: "demo_credential" })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { agent_id } = await client.agents.create({ name: "Friday", chat_model_config })
  const { session_id } = await client.sessions.create({ agent_id, chat_model_config })
  return { agent_id, session_id }
}

/** Words one after the other, so that a reply takes its time. */
export const slowly = (words: number, millis = 20) =>
  Array.from({ length: words }, (_, i) => `say word${i} \nsleep ${millis}`).join("\n")

/** Resolves when the snapshot is as wanted. */
export const until = (
  store: Pick<SessionStore, "getSnapshot" | "subscribe">,
  isWanted: (snapshot: SessionSnapshot) => boolean,
  millis = patience(20_000)
) =>
  new Promise<SessionSnapshot>((done, fail) => {
    const look = () => {
      const snapshot = store.getSnapshot()
      if (!isWanted(snapshot)) return
      end()
      done(snapshot)
    }
    const timer = setTimeout(() => {
      end()
      const { messages, ...rest } = store.getSnapshot()
      fail(new Error(`It did not come to that: ${messages.length} messages, ${JSON.stringify(rest)}`))
    }, millis)
    const leave = store.subscribe(look)
    const end = () => {
      clearTimeout(timer)
      leave()
    }
    look()
  })

/** Writes down every reply that was ever shown. */
export const watching = (store: SessionStore) => {
  const shown: Array<ReadonlyArray<Message>> = []
  const leave = store.subscribe(() => void shown.push(store.getSnapshot().messages))
  return {
    leave,
    /** Whether each message was, at each time, a beginning of what it has become, and none came twice. */
    check: (last: ReadonlyArray<Message>) => {
      const texts = new Map(last.map(({ content, id }) => [id, textOf(content)]))
      for (const messages of shown) {
        assert.strictEqual(new Set(messages.map(({ id }) => id)).size, messages.length)
        for (const { content, id } of messages) {
          assert.isTrue(texts.get(id)?.startsWith(textOf(content)), `${textOf(content)} was shown of ${texts.get(id)}`)
        }
      }
      return shown.length
    }
  }
}

export const isAtRest = ({ connection, isLoaded, messages, queue, run, sending }: SessionSnapshot) =>
  messages.every(({ finished_at }) => finished_at !== null) && connection.state === "live" && isLoaded &&
  run === undefined && queue.length === 0 && sending.length === 0
