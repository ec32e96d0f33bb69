/** A server under load: the native door of Stoa, or the raw reference behind the same two paths. */
import type { Child } from "./Child.ts"
import * as Load from "./Load.ts"

export type Backend = "raw" | "memory" | "pglite" | "postgres"

export interface Session {
  readonly id: string
  readonly stream: string
  /** Sends a script of the demo model and reads the reply to its end. */
  readonly run: (script: string) => Promise<Load.Reply>
}

export interface Door {
  readonly backend: Backend
  readonly port: number
  readonly child: Child
  /** A new session of a demo model that pauses so many milliseconds before each delta. */
  readonly open: (delay: number) => Promise<Session>
}

const sessionOf = (port: number, agent_id: string, id: string): Session => ({
  id,
  stream: `/sessions/${id}/stream`,
  run: (script) =>
    Load.reply({
      port,
      method: "POST",
      path: "/chat",
      body: JSON.stringify({ agent_id, session_id: id, input: { content: script } })
    })
})

export const ofRaw = (child: Child): Door => {
  let opened = 0
  return {
    backend: "raw",
    port: child.port,
    child,
    open: async (delay) => sessionOf(child.port, "agent", `delay-${delay}-${++opened}`)
  }
}

/** The sessions of a Stoa that listens on the port. */
export const opener = async (port: number): Promise<Door["open"]> => {
  const post = (path: string, body: object) => Load.ask({ port, method: "POST", path, body: JSON.stringify(body) })
  const { agent_id } = await post("/agent", { name: "Bench" })
  const { credential_id } = await post("/credential", { data: { type: "demo_credential" } })
  return async (delay) => {
    const { session_id } = await post("/sessions", {
      agent_id,
      chat_model_config: {
        type: "demo_credential",
        credential_id,
        model: "demo-script",
        parameters: { delay_ms: delay }
      }
    })
    return sessionOf(port, agent_id!, session_id!)
  }
}

export const ofStoa = async (backend: Backend, child: Child): Promise<Door> => ({
  backend,
  port: child.port,
  child,
  open: await opener(child.port)
})
