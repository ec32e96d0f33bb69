/** A program with paths and tasks of its own, as its users start it, over kill -9. */
import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import { objectsOf } from "../support/agentapp.ts"
import { longest } from "../support/Example.ts"
import { clientOf, safeJson, startProgram, temporaryFolder } from "../support/Server.ts"

const main = "examples/own-endpoint/main.ts"

describe("A program with paths and tasks of its own", () => {
  it("answers there behind its authentication, streams, and does tasks once more that a kill has cut off", async () => {
    const folder = await temporaryFolder()
    const words = ["serve", "--port", "0", "--data-dir", folder.path]
    let program = await startProgram(main, ...words)
    try {
      const { must } = clientOf(program.url)
      const headers = { "x-user-id": "ada", "content-type": "application/json" }
      const post = (path: string, body: object, more: object = {}) =>
        fetch(program.url + path, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) })

      assert.deepStrictEqual(await must("GET", "/desk/summary"), { owner: "ada", agents: 0 })
      const nobody = await fetch(`${program.url}/desk/summary`)
      assert.strictEqual(nobody.status, 401)
      assert.match(nobody.headers.get("content-type")!, /problem\+json/)
      assert.strictEqual((await post("/desk/countdown", { from: 1_000 })).status, 422)
      const counted = await post("/desk/countdown", { from: 2 })
      assert.match(counted.headers.get("content-type")!, /^text\/event-stream/)
      assert.deepStrictEqual(objectsOf(await counted.text()), [
        { n: 2 },
        { n: 1 },
        {
          error: "There is nothing below one.",
          error_type: "StreamFailed",
          message: "Error in streaming generator"
        }
      ])
      const document = safeJson(await (await fetch(`${program.url}/docs/desk.json`)).text())
      assert.sameMembers(Object.keys(document.paths), ["/desk/summary", "/desk/countdown"])

      const key = { "idempotency-key": "once" }
      const submit = async () => safeJson(await (await post("/squares", { x: 5, takes: 1_000, fails: 1 }, key)).text())
      const first = await submit()
      assert.deepInclude(first, { status: "submitted", queue: "squares" })
      assert.deepStrictEqual(await submit(), first)
      const wrong = await post("/squares", { x: "five" })
      assert.strictEqual(wrong.status, 422)
      assert.isString(safeJson(await wrong.text()).error)
      const path = `/squares/${first.task_id}`
      while ((await must("GET", path)).status === "pending") await sleep(20)
      await program.kill("SIGKILL")

      program = await startProgram(main, ...words)
      const again = clientOf(program.url)
      while (!["finished", "error"].includes((await again.must("GET", path)).status)) await sleep(50)
      const done = await again.must("GET", path)
      // The attempt that the kill has cut off counts as one.
      assert.deepInclude(done, { status: "finished", result: { result: 25, attempt: 2 }, attempts: 2, error: null })
      assert.isString(done.completed_at)
      const listed = await again.must("GET", "/squares")
      assert.deepInclude(listed, { total: 1, next_cursor: null })
      const other = await fetch(program.url + path, { headers: { "x-user-id": "bob" } })
      assert.strictEqual(other.status, 404)
      await program.kill("SIGTERM")
    } finally {
      await program.kill("SIGKILL")
      await folder.remove()
    }
  }, 3 * longest)
})
