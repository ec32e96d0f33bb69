/** A page of the Agent Service's web UI, as the server sees it: what its browser asks first, and what it shows of answers. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { TestHost as Host } from "./TestHost.ts"

export const origin = "http://localhost:5173"

let users = 0

/** A page of another origin: before each request its browser asks whether it may. */
export const page = (base = "") =>
  Effect.gen(function*() {
    const { call, watch } = yield* Host
    const user = `page-${users++}`
    const send = Effect.fnUntraced(function*(method: string, at: string, body?: unknown) {
      const path = `${base}${at}`
      const preflight = yield* call("OPTIONS", path, {
        headers: {
          origin,
          "access-control-request-method": method,
          "access-control-request-headers": "content-type,x-user-id"
        }
      })
      assert.strictEqual(preflight.status, 204, path)
      assert.include(preflight.headers["access-control-allow-methods"], method)
      const answer = yield* call(method, path, { user, headers: { origin }, ...body !== undefined && { body } })
      assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
      return answer
    })
    /** The answer's body; the page shows an error for anything but a success. */
    const ask = (method: string, path: string, body?: unknown) =>
      Effect.map(send(method, path, body), ({ json, status, text }) => {
        assert.isBelow(status, 300, `${method} ${path}: ${text}`)
        return json
      })
    const comesLater = (method: string, path: string, body?: unknown) =>
      Effect.map(send(method, path, body), ({ json, status }) => {
        assert.strictEqual(status, 404, `${method} ${path}`)
        assert.match(json.detail, /^[A-Z].+\.$/)
      })
    return { user, ask, send, comesLater, watch }
  })

export const eventsIn = (text: string) =>
  Array.from(text.matchAll(/^data: (.*)$/gm), ([, json]) => JSON.parse(json!) as Record<string, unknown>)

export const text = (said: string) => ({ name: "user", role: "user", content: [{ type: "text", text: said }] })
