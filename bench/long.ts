/**
 * Turn 2,000 of a session against turn 20, over the built server: `npx tsx bench/long.ts [turns]`. It prints a line for
 * each model, with the CPU time of the server for a turn and its memory, early and late, and how long the contexts were.
 */
import { spawn } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const turns = Number(process.argv[2] ?? 2_000)

/** Turns that are measured together. */
const span = 100

/** Kilobytes in a megabyte, and milliseconds in a tick of /proc. */
const kilo = 1024
const tick = 10

const freePort = () =>
  new Promise<number>((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number }
      server.close(() => done(port))
    })
  })

const folder = await mkdtemp(join(tmpdir(), "stoa-long-"))
const port = await freePort()
const url = `http://127.0.0.1:${port}`
const main = new URL("../dist/bin/stoa.js", import.meta.url).pathname
const server = spawn(process.execPath, [main, "serve", "--port", String(port), "--data-dir", folder], {
  stdio: "ignore"
})

const call = async (path: string, body?: unknown) => {
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "x-user-id": "ada", "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return JSON.parse(text)
}

/** Milliseconds of CPU time that the server has used, all its threads together. */
const cpu = async () => {
  const stat = await readFile(`/proc/${server.pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * tick
}

const memory = async () => {
  const status = await readFile(`/proc/${server.pid}/status`, "utf8")
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / kilo
}

const { agent_id } = await (async () => {
  for (let left = 200;; left--) {
    try {
      return await call("/agent", { name: "Long" })
    } catch (cause) {
      if (left === 0) throw cause
      await sleep(100)
    }
  }
})()

const converse = async (context_size: number | undefined) => {
  const models = context_size === undefined ? {} : { models: [{ name: "demo-script", context_size }] }
  const { credential_id } = await call("/credential", { data: { type: "demo_credential", ...models } })
  const { session_id } = await call("/sessions", {
    agent_id,
    chat_model_config: { type: "demo_credential", credential_id, model: "demo-script" }
  })
  const say = (content: string) => call("/chat/reply", { agent_id, session_id, input: { content } })
  return { session_id, say }
}

const words = "repeat 50 word "

try {
  const warm = await converse(undefined)
  for (let i = 0; i < 300; i++) await warm.say(words)
  for (const context_size of [undefined, 8_000, 32_000]) {
    const { say, session_id } = await converse(context_size)
    const figures = new Map<number, { readonly cpu: number; readonly memory: number }>()
    let longest = 0
    for (let turn = 1; turn <= turns; turn++) {
      if (turn === 20 || turn === 20 + span || turn === turns - span || turn === turns) {
        figures.set(turn, { cpu: await cpu(), memory: await memory() })
      }
      if (turn % 50 === 0 && turn > 20 + span && turn < turns - span) {
        const { content: [{ text }] } = await say("context")
        longest = Math.max(longest, JSON.parse(text).messages)
      } else await say(words)
    }
    const of = (turn: number) => figures.get(turn)!
    const { totals } = await call(`/usage?group_by=session`)
    const early = (of(20 + span).cpu - of(20).cpu) / span
    const late = (of(turns).cpu - of(turns - span).cpu) / span
    const events = await fetch(`${url}/sessions/${session_id}/runs?limit=1`, { headers: { "x-user-id": "ada" } })
    await events.text()
    console.log(JSON.stringify({
      context_size: context_size ?? null,
      early_ms: Number(early.toFixed(2)),
      late_ms: Number(late.toFixed(2)),
      times: Number((late / early).toFixed(2)),
      early_mb: Math.round(of(20 + span).memory),
      late_mb: Math.round(of(turns).memory),
      longest_messages: longest,
      calls: totals.calls
    }))
  }
} finally {
  server.kill("SIGTERM")
  await new Promise((done) => server.once("exit", done))
  await rm(folder, { recursive: true, force: true })
}
