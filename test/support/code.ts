/** Sessions with agents that are code, in a host in memory. */
import { Context, Effect, Layer } from "effect"
import type { Accepted, ChatRequest } from "../../src/domain/Chat.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import type { InputMessage } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { newSession } from "../../src/domain/NewSession.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as Host from "../../src/layers/Host.ts"
import { NewId } from "../../src/services/NewId.ts"
import { now } from "../../src/services/Now.ts"
import { type OwnAgent, OwnAgents } from "../../src/services/OwnAgents.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Storage } from "../../src/services/Storage.ts"
import { eventually } from "./live.ts"

let owners = 0

export const made = Effect.gen(function*() {
  const hub = yield* SessionHub
  const own = yield* OwnAgents
  const newId = yield* NewId
  const { agents, sessions } = yield* Storage

  /** A session of a new owner's. */
  const session = Effect.fnUntraced(function*(name: string) {
    const owner = `code-${owners++}` as UserId
    yield* own.ensure(owner)
    const { items } = yield* Effect.orDie(agents.list(owner, { limit: 1000, cursor: undefined }))
    const agent = items.find(({ data }) => data.code === name)!
    const at = yield* now
    const session = newSession({ agent_id: agent.id }, owner, at, () => newId.record(Date.parse(at)))
    yield* Effect.orDie(sessions.insert(session))
    const sendAll = (input: ReadonlyArray<InputMessage>, more: Partial<ChatRequest> = {}) =>
      hub.send(owner, { agent_id: agent.id, session_id: session.id, input, on_busy: "enqueue", tools: [], ...more })
    return {
      session,
      sendAll,
      send: (content: string) => Effect.orDie(sendAll([{ role: "user", name: "user", content, metadata: {} }])),
      reply: ({ run_id, seq }: Accepted) =>
        Effect.map(hub.reply(session, run_id, seq), (message) => ({ ...message, text: textOf(message.content) })),
      /** The reply in the making has this text in it. */
      until: (text: string) =>
        eventually(
          `it says ${text}`,
          hub.unfinished(session),
          (message) => message !== undefined && textOf(message.content).includes(text)
        )
    }
  })

  return {
    session,
    stop: (session: Session) => Effect.orDie(hub.interrupt(session, "drop")),
    /** The replies to these texts, one after the other in a session of their own. */
    say: Effect.fnUntraced(function*(name: string, ...texts: ReadonlyArray<string>) {
      const live = yield* session(name)
      return yield* Effect.forEach(texts, (text) => Effect.flatMap(live.send(text), live.reply))
    })
  }
})

export class Code extends Context.Tag("stoa/test/support/code/Code")<Code, Effect.Effect.Success<typeof made>>() {}

export const make = (agents: ReadonlyArray<OwnAgent>) =>
  Layer.provideMerge(Layer.effect(Code, made), Host.over(Host.memory, { agents }))
