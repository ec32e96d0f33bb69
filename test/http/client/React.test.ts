/** The hooks, and the example that is made of them, in a page without a browser. */
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import { Window } from "happy-dom"
import type { Root } from "react-dom/client"
import * as Host from "../../../src/embed/Host.ts"
import { patience } from "../../support/Patience.ts"
import { newSession, slowly } from "../../support/stores.ts"

const window = new Window({ url: "http://localhost/" })

let host: Host.Host

beforeAll(async () => {
  host = await Host.make({ storage: "memory", log_level: "none" })
  // React looks for a page when it is loaded.
  vi.stubGlobal("window", window)
  vi.stubGlobal("document", window.document)
  vi.stubGlobal("navigator", window.navigator)
}, patience(30_000))

afterAll(async () => {
  await host.close()
  await window.happyDOM.close()
  vi.unstubAllGlobals()
}, patience(30_000))

/** Resolves with what is found in the page. */
const found = async <A>(look: () => A | null | undefined | false): Promise<A> => {
  const until = performance.now() + patience(20_000)
  while (performance.now() < until) {
    const there = look()
    if (there !== null && there !== undefined && there !== false) return there
    await new Promise((go) => setTimeout(go, 20))
  }
  return assert.fail(`It is not in the page: ${window.document.body.textContent}`)
}

const says = (text: string) => found(() => window.document.body.textContent.includes(text))

const button = (name: string) =>
  found(() => Array.from(window.document.querySelectorAll("button")).find(({ textContent }) => textContent === name))

const write = async (text: string) => {
  const input = await found(() => window.document.querySelector("textarea"))
  const { set } = Object.getOwnPropertyDescriptor(window.HTMLTextAreaElement.prototype, "value")!
  set!.call(input, text)
  input.dispatchEvent(new window.Event("input", { bubbles: true }))
  const send = await button("Send")
  await found(() => !send.disabled)
  send.click()
}

describe("The hooks", () => {
  it(
    "show a conversation in strict mode: what was said, what is being said, a stop, and one connection for all",
    async () => {
      const [{ StrictMode, createElement: h }, { createRoot }, { StoaProvider }, { Chat, Runs }] = await Promise.all([
        import("react"),
        import("react-dom/client"),
        import("../../../src/http/client/React.ts"),
        import("../../../examples/react/Chat.ts")
      ])
      const client = host.as("reader")
      const { session_id } = await newSession(client)
      await client.invoke({ session_id, input: "say From before." })
      const page = window.document.body.appendChild(window.document.createElement("div"))
      const root: Root = createRoot(page)
      const streams = () => host.answering()
      root.render(
        h(StrictMode, null, h(StoaProvider, { client }, h(Chat, { session_id }), h(Chat, { session_id }), h(Runs)))
      )
      await says("From before.")
      await found(() => streams() === 1)
      await write(slowly(20))
      await says("word3")
      await says("word19")
      assert.lengthOf(window.document.querySelectorAll("p.assistant"), 4)
      await write("say Begun.\nsleep 60000")
      await says("Begun.")
      const stop = await button("Stop")
      stop.click()
      await found(() => window.document.querySelector("li")?.textContent === "ended")
      root.unmount()
      await found(() => streams() === 0)
    },
    patience(60_000)
  )
})
