/** A browser's EventSource behind a proxy, as far as the standard goes. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { EventSource } from "eventsource"
import { once } from "node:events"
import { createServer, request } from "node:http"
import type { AddressInfo } from "node:net"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

/** A proxy that says who asks, as it would in front of a server, and that can be restarted on its port. */
const proxyTo = (port: number, user: string) => {
  const asked: Array<{ readonly path: string; readonly last: string | undefined }> = []
  const server = createServer((incoming, outgoing) => {
    const last = incoming.headers["last-event-id"]
    asked.push({ path: incoming.url!, last: typeof last === "string" ? last : undefined })
    const onward = request({
      port,
      host: "127.0.0.1",
      path: incoming.url,
      method: incoming.method,
      headers: { ...incoming.headers, "x-user-id": user }
    }, (answer) => {
      outgoing.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(outgoing)
      answer.on("error", () => outgoing.destroy())
    })
    onward.on("error", () => outgoing.destroy())
    outgoing.on("close", () => onward.destroy())
    incoming.pipe(onward)
  })
  const listen = async (at: number) => {
    server.listen(at, "127.0.0.1")
    await once(server, "listening")
    return (server.address() as AddressInfo).port
  }
  const stop = async () => {
    if (!server.listening) return
    const closed = once(server, "close")
    server.close()
    server.closeAllConnections()
    await closed
  }
  return { asked, listen, stop }
}

layer(TestHost.layer(), { excludeTestServices: true })("A browser's EventSource", (it) => {
  it.scoped(
    "gets every event once, in order, though the proxy between is restarted again and again",
    () =>
      Effect.gen(function*() {
        const { call, port, url } = yield* Door
        const user = "browser"
        const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
        const { credential_id } =
          (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
        const chat_model_config = {
          type: "demo_credential",
          credential_id,
          model: "demo-script",
          parameters: { delay_ms: 40 }
        }
        const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
        // An input before, so that the page begins after something: its URL has a cursor for ever.
        yield* call("POST", "/chat", {
          user,
          body: { agent_id, session_id, input: { content: "say before" } },
          headers: { accept: "application/json" }
        })
        const before = (yield* call("GET", `/sessions/${session_id}/runs`, { user })).json.runs[0].last_seq as number

        yield* Effect.promise(async () => {
          const proxy = proxyTo(port, user)
          const at = await proxy.listen(0)
          const page = new EventSource(`http://127.0.0.1:${at}/sessions/${session_id}/stream?after=${before}`)
          const ids: Array<number> = []
          let last = ""
          let heard = () => {}
          page.addEventListener("message", ({ data, lastEventId }) => {
            ids.push(Number(lastEventId))
            last = JSON.parse(data).type
            heard()
          })
          const until = (holds: () => boolean) =>
            new Promise<void>((resolve, reject) => {
              const timer = setTimeout(() => reject(new Error(`Not seen: ${ids} ${last}`)), 60_000)
              heard = () => {
                if (!holds()) return
                clearTimeout(timer)
                resolve()
              }
              heard()
            })
          try {
            const sent = fetch(`${url}/chat`, {
              method: "POST",
              headers: { "x-user-id": user, "content-type": "application/json", accept: "application/json" },
              body: JSON.stringify({ agent_id, session_id, input: { content: "repeat 250 word " } })
            })
            for (const connection of [1, 2]) {
              const seen = ids.length
              // oxlint-disable-next-line eslint/no-await-in-loop -- one restart after the other
              await until(() => proxy.asked.length === connection && ids.length > seen + 2)
              // oxlint-disable-next-line eslint/no-await-in-loop -- the same
              await proxy.stop()
              // oxlint-disable-next-line eslint/no-await-in-loop -- the same
              await proxy.listen(at)
            }
            await until(() => last === "REPLY_END" && proxy.asked.length === 3)
            await sent
            assert.deepStrictEqual(ids, Array.from({ length: ids.length }, (_, i) => before + 1 + i))
            assert.lengthOf(proxy.asked, 3)
            assert.isTrue(proxy.asked.every(({ path }) => path.endsWith(`?after=${before}`)))
            assert.isAtLeast(Number(proxy.asked.at(-1)!.last), before + 4)
          } finally {
            page.close()
            await proxy.stop()
          }
        })
      }),
    120_000
  )
})
