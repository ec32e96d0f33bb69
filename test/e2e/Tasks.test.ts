/** Three tool calls over their time, a kill -9 under them, and a restart: three results, once each, in the transcript. */
import { assert, describe, it } from "@effect/vitest"
import { setTimeout as sleep } from "node:timers/promises"
import type { TaskView } from "../../src/domain/BackgroundTask.ts"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, type Server, startServer, stoa, temporaryFolder } from "../support/Server.ts"

const until = async <A>(look: () => Promise<A>, isSo: (a: A) => boolean): Promise<A> => {
  const limit = performance.now() + patience(20_000)
  for (;;) {
    const found = await look()
    if (isSo(found)) return found
    assert.isBelow(performance.now(), limit, JSON.stringify(found))
    await sleep(50)
  }
}

describe("Background tasks of a built server", () => {
  it("are told once each, over a kill -9, and are listed, watched and cancelled", async () => {
    const folder = await temporaryFolder()
    let server: Server | undefined
    try {
      const start = () => startServer(["--data-dir", folder.path], { env: { STOA_BACKGROUND_SECONDS: "0.3" } })
      server = await start()
      let client = clientOf(server.url)
      const { agent_id, session_id } = await client.converse()
      await client.must("PATCH", `/sessions/${session_id}`, { permission_mode: "bypass" })
      const ask = (text: string) =>
        client.must("POST", "/chat/reply", { agent_id, session_id, input: { content: text } }) as Promise<Message>
      const tasks = async (status: string) =>
        (await client.must("GET", `/background-tasks/${session_id}?status=${status}`)).tasks as ReadonlyArray<TaskView>

      const reply = await ask(
        [
          "call Pause {\"seconds\":1,\"note\":\"short\"}",
          ...[1, 2].map(() => "call Pause {\"seconds\":3000}"),
          "then",
          "say ok"
        ]
          .join("\n")
      )
      assert.include(textOf(reply.content), "ok")
      const begun = await tasks("running")
      assert.lengthOf(begun, 3)
      const { tasks: [wire], total } = await client.must("GET", `/background-tasks/${session_id}/`)
      assert.deepInclude(wire, { task_id: begun[0]!.task_id, session_id, agent_id })
      assert.strictEqual(total, 3)
      // The first one ends about now, told or not.
      await sleep(800)
      await server.kill("SIGKILL")
      server = await start()
      client = clientOf(server.url)

      const hints = async () => {
        const { messages } = await client.must("GET", `/sessions/${session_id}/messages?limit=200`)
        return (messages as ReadonlyArray<Message>).flatMap(({ content }) =>
          content.flatMap((block) => block.type === "hint" ? [textOf(block.hint)] : [])
        )
      }
      await until(hints, ({ length }) => length >= 3)
      const idle = () => client.must("GET", `/sessions/${session_id}`)
      await until(idle, ({ status }) => status === "idle")
      await sleep(500)
      const told = await hints()
      assert.lengthOf(told, 3)
      for (const { task_id } of begun) assert.lengthOf(told.filter((text) => text.includes(task_id)), 1)
      assert.lengthOf(told.filter((text) => text.includes("is lost")).filter((text) => !text.includes("short")), 2)
      assert.deepStrictEqual(await tasks("running"), [])

      // A fresh one is stopped by hand, and somebody else cannot.
      await ask("call Pause {\"seconds\":3000}\nthen\nsay ok")
      const [fresh] = await tasks("running")
      const path = `/background-tasks/${session_id}/${fresh!.task_id}`
      const grace = clientOf(server.url, "grace")
      for (const method of ["GET", "DELETE"]) assert.strictEqual((await grace.call(method, path)).status, 404)
      assert.strictEqual((await grace.call("GET", `/background-tasks/${session_id}`)).status, 404)
      assert.deepInclude(await client.must("GET", path), { status: "running", output: "" })
      const cli = (...args: ReadonlyArray<string>) => stoa(["tasks", ...args, "--url", server!.url, "--user", "ada"])
      const watching = cli("watch", session_id, fresh!.task_id)
      await sleep(300)
      assert.strictEqual((await cli("cancel", session_id, fresh!.task_id)).code, 0)
      const watched = await watching
      assert.include(watched.stderr, "cancelled")
      assert.strictEqual(watched.code, 0)
      const again = await client.call("DELETE", path)
      assert.deepStrictEqual([again.status, again.text], [204, ""])
      const missing = await client.call("DELETE", `/background-tasks/${session_id}/none`)
      assert.strictEqual(missing.status, 404)
      assert.strictEqual(missing.json.detail, `Background task 'none' not found for session '${session_id}'.`)
      assert.lengthOf(await hints(), 3)
      assert.strictEqual(await server.kill("SIGTERM"), 0)
    } finally {
      await server?.kill("SIGKILL")
      await folder.remove()
    }
  }, patience(120_000))
})
