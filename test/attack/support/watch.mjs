/**
 * Runs in a thread of its own, so that what the test does holds nothing up:
 * asks for `/liveness` again and again, and lets another tenant chat. It tells
 * how long each took, in milliseconds; -1 is an answer that did not come.
 */
import { Agent, request } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { parentPort, workerData } from "node:worker_threads"

const { agent_id, patience, session_id, url, user } = workerData
const agent = new Agent({ keepAlive: true })

const ask = (method, path, body) =>
  new Promise((done) => {
    const since = performance.now()
    const sent = request(url + path, {
      method,
      agent,
      headers: { "x-user-id": user, "content-type": "application/json", accept: "application/json" }
    }, (response) => {
      response.resume()
      response.on("close", () => {
        done(response.complete && response.statusCode < 300 ? performance.now() - since : -1)
      })
    })
    sent.setTimeout(patience, () => sent.destroy())
    sent.on("error", () => done(-1))
    sent.end(body)
  })

let goesOn = true
parentPort.on("message", () => {
  goesOn = false
})

const again = async (what, pause, work) => {
  while (goesOn) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, no window
    parentPort.postMessage({ what, took: await work() })
    await sleep(pause)
  }
}

const chat = JSON.stringify({ agent_id, session_id, input: { content: "say hi" } })
await Promise.all([
  again("liveness", 50, () => ask("GET", "/liveness")),
  again("chat", 30, () => ask("POST", "/chat", chat))
])
agent.destroy()
parentPort.close()
