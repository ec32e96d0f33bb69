import { assert, describe, it } from "@effect/vitest"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import { type Answer, call as callPlain, stream } from "../crash/Wire.ts"
import { isNamed, kindOf } from "../support/events.ts"
import { patience } from "../support/Patience.ts"
import { clientOf, startServer, temporaryFolder } from "../support/Server.ts"

const withFolder = async (use: (path: string) => Promise<void>) => {
  const folder = await temporaryFolder()
  try {
    await use(folder.path)
  } finally {
    await folder.remove()
  }
}

const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i)

const eventOf = (frame: string) => JSON.parse(frame.slice(frame.indexOf("\n") + 7)) as AgentEvent
const seqOf = (frame: string) => Number(frame.slice(4, frame.indexOf("\n")))

const endsWith = (frames: ReadonlyArray<string>, type: AgentEvent["type"]) =>
  frames.length > 0 && eventOf(frames.at(-1)!).type === type

/** A session lets so many inputs wait, and asks the rest to come again. */
const retrying = async (send: () => Promise<Answer>): Promise<Answer> => {
  for (;;) {
    const answer = await send()
    if (answer.status !== 429) return answer
    await sleep(50)
  }
}

interface Talk {
  readonly agent_id: string
  readonly session_id: string
}

const sendAsync = async (url: string, { agent_id, session_id }: Talk, content: string) => {
  const answer = await callPlain(url, "POST", "/chat", { agent_id, session_id, input: { content } }, {
    prefer: "respond-async"
  })
  assert.strictEqual(answer.status, 202, answer.text)
  return JSON.parse(answer.text) as { readonly run_id: string; readonly seq: number }
}

/** Follows the whole session until REPLY_END; `every`: leaves and resumes after so many events, `times` at most. */
const follow = async (url: string, session_id: string, { every = Infinity, times = 0 } = {}) => {
  const frames: Array<string> = []
  for (let left = 0; !endsWith(frames, "REPLY_END"); left++) {
    const leave = new AbortController()
    let taken = 0
    await stream(url, `/sessions/${session_id}/stream`, {
      headers: { "last-event-id": String(frames.length === 0 ? 0 : seqOf(frames.at(-1)!)) },
      leave: leave.signal,
      frame: (frame) => {
        if (leave.signal.aborted) return
        frames.push(frame)
        if ((left < times && ++taken >= every) || endsWith(frames, "REPLY_END")) leave.abort()
      }
    })
  }
  return frames
}

/** Asks for the stream and reads nothing of it until `read`. */
const notReading = (url: string, session_id: string) => {
  const { hostname, port } = new URL(url)
  const socket = connect(
    { host: hostname, port: Number(port) },
    () =>
      socket.write(
        `GET /sessions/${session_id}/stream?after=0 HTTP/1.1\r\nhost: ${hostname}:${port}\r\nx-user-id: ada\r\n\r\n`
      )
  )
  socket.pause()
  return {
    read: () =>
      new Promise<string>((done) => {
        let text = ""
        socket.setEncoding("utf8")
        socket.on("data", (chunk) => text += chunk)
        socket.on("error", () => {})
        socket.on("close", () => done(text))
        socket.resume()
      })
  }
}

/** The body of an answer in chunks. */
const unchunked = (answer: string) => {
  let rest = answer.slice(answer.indexOf("\r\n\r\n") + 4)
  let body = ""
  for (;;) {
    const end = rest.indexOf("\r\n")
    const size = Number.parseInt(rest.slice(0, end), 16)
    if (end < 0 || !(size > 0)) return body
    const chunk = Buffer.from(rest.slice(end + 2))
    body += chunk.subarray(0, size).toString()
    rest = chunk.subarray(size + 2).toString()
  }
}

describe("The engine's promises, over the built server", () => {
  it(
    "gives ten subscribers of a run of 5,000 events the same bytes, whenever they join, leave and resume; one that does not read is cut and loses nothing",
    () =>
      withFolder(async (folder) => {
        const server = await startServer(["--data-dir", folder])
        const client = clientOf(server.url)
        const talk = await client.converse("demo-script", { delay_ms: 1 })
        // Each `say` is a block of three events that nothing joins; what follows is more than sockets hold.
        const script = `${"say x\n".repeat(1_700)}repeat 1000 ${"long ".repeat(1_600)}`
        await sendAsync(server.url, talk, script)
        const stalled = notReading(server.url, talk.session_id)
        const streams = await Promise.all(
          numbers(9).map(async (n) => {
            await sleep(n * 300 * Math.random())
            return follow(server.url, talk.session_id, n > 6 ? { every: 10, times: 40 } : {})
          })
        )
        const [first] = streams
        assert.isAtLeast(first!.length, 5_000)
        assert.deepStrictEqual(first!.map(seqOf), numbers(first!.length))
        for (const frames of streams) assert.isTrue(frames.join("\n") === first!.join("\n"))
        const got = unchunked(await stalled.read())
        assert.include(got, ": lagging")
        const kept = eventsOf(got).length
        assert.isBelow(kept, first!.length)
        const rest = await client.stream(`/sessions/${talk.session_id}/stream`, {
          headers: { "last-event-id": String(kept) }
        })
        await rest.until((frame) => frame?.event.type === "REPLY_END")
        rest.leave()
        assert.deepStrictEqual([...eventsOf(got), ...rest.frames], eventsOf(first!.join("\n\n")))
        assert.strictEqual(await server.kill("SIGTERM"), 0)
      }),
    patience(300_000)
  )

  it(
    "keeps a run that waits for a person over kill -9; allowed, the tool runs once and the reply ends",
    () =>
      withFolder(async (folder) => {
        const first = await startServer(["--data-dir", folder])
        const before = clientOf(first.url)
        const talk = await before.converse()
        const input = { content: "say first\ncall Pause {\"seconds\":0,\"note\":\"x\"}\nthen\nresults" }
        const asking = await before.stream("/chat", { method: "POST", body: JSON.stringify({ ...talk, input }) })
        await asking.end()
        assert.isFalse(asking.broken())
        assert.strictEqual(kindOf(asking.frames.at(-1)!.event), "run_parked")
        const asked = asking.frames.flatMap(({ event }) => event.type === "REQUIRE_USER_CONFIRM" ? [event] : [])[0]!
        await first.kill("SIGKILL")

        const second = await startServer(["--data-dir", folder])
        const after = clientOf(second.url)
        const { runs } = await after.must("GET", "/runs?status=awaiting_permission")
        assert.deepStrictEqual(runs.map((run: { readonly session_id: string }) => run.session_id), [talk.session_id])
        const answer = {
          type: "USER_CONFIRM_RESULT",
          reply_id: asked.reply_id,
          confirm_results: [{ confirmed: true, tool_call: { id: asked.tool_calls[0]!.id } }]
        }
        const going = await after.stream("/chat", { method: "POST", body: JSON.stringify({ ...talk, input: answer }) })
        await going.end()
        assert.deepInclude(going.frames.at(-1)!.event, { type: "REPLY_END", finished_reason: "completed" })
        const log = [...asking.frames, ...going.frames]
        assert.deepStrictEqual(log.map(({ seq }) => seq), numbers(log.length))
        assert.strictEqual(log.filter(({ event }) => event.type === "TOOL_RESULT_START").length, 1)
        assert.deepStrictEqual(log.flatMap(({ event }) => event.type === "TOOL_RESULT_END" ? [event.state] : []), [
          "success"
        ])
        assert.strictEqual((await after.call("POST", "/chat", { ...talk, input: answer })).status, 409)
        const { messages } = await after.must("GET", `/sessions/${talk.session_id}/messages`)
        assert.deepStrictEqual(messages.map((message: { readonly role: string }) => message.role), [
          "user",
          "assistant"
        ])
        await second.kill("SIGTERM")
      }),
    patience(60_000)
  )

  it(
    "ends 1,000 streams whole on SIGTERM, is unready at once, exits with 0 in time, and leaves 100 runs ended or to be gone on with",
    () =>
      withFolder(async (folder) => {
        const drainSeconds = 3
        const first = await startServer(["--data-dir", folder, "--drain-seconds", String(drainSeconds)])
        const client = clientOf(first.url)
        const { agent_id, credential_id } = await client.converse()
        const talks = await Promise.all(
          numbers(100).map(async () => {
            const chat_model_config = {
              type: "demo_credential",
              credential_id,
              model: "demo-script",
              parameters: { delay_ms: 100 }
            }
            const { session_id } = await client.must("POST", "/sessions/", { agent_id, chat_model_config })
            return { agent_id, session_id: session_id as string }
          })
        )
        const seen = talks.map(() => numbers(10).map((): Array<string> => []))
        let open = 0
        const streams = talks.flatMap(({ session_id }, i) =>
          seen[i]!.map((frames) =>
            stream(first.url, `/sessions/${session_id}/stream?after=0`, {
              opened: () => open++,
              frame: (frame) => frames.push(frame)
            })
          )
        )
        while (open < 1_000) await sleep(10)
        // Every other run ends by itself while the server waits; the others would take a minute.
        const text = (i: number) => i % 2 === 0 ? "repeat 15 word " : "say begun\nsleep 60000"
        const sent = await Promise.all(talks.map((talk, i) => sendAsync(first.url, talk, text(i))))
        while (!seen.flat().every((frames) => frames.length > 4)) await sleep(10)

        const asked = performance.now()
        const exit = first.kill("SIGTERM")
        for (;;) {
          const ready = await callPlain(first.url, "GET", "/readiness").catch(() => undefined)
          if (ready?.status !== 200) break
        }
        const unready = performance.now() - asked
        const code = await exit
        const took = performance.now() - asked
        assert.strictEqual(code, 0, first.output())
        assert.isBelow(unready, patience(500))
        assert.isBelow(took, patience((drainSeconds + 5) * 1_000))
        for (const { status, whole, text } of await Promise.all(streams)) {
          // On a slow machine a stream is kept alive before the server is asked to stop.
          assert.deepStrictEqual([status, whole, text.replace(/^(?:: \n)+/, "")], [200, true, ": stopping\n"])
        }
        for (const [i, ofSession] of seen.entries()) {
          for (const frames of ofSession) {
            assert.isTrue(frames.join() === ofSession[0]!.join())
          }
          assert.strictEqual(endsWith(ofSession[0]!, "REPLY_END"), i % 2 === 0)
        }

        const second = await startServer(["--data-dir", folder, "--drain-seconds", "0"])
        await Promise.all(talks.map(async ({ session_id }, i) => {
          if (i % 2 === 1) await callPlain(second.url, "POST", `/sessions/${session_id}/interrupt`)
          const frames = await follow(second.url, session_id)
          assert.deepStrictEqual(frames.map(seqOf), numbers(frames.length))
          assert.deepStrictEqual(frames.slice(0, seen[i]![0]!.length), seen[i]![0])
          const run = JSON.parse((await callPlain(second.url, "GET", `/runs/${sent[i]!.run_id}`)).text)
          assert.deepInclude(run, { status: "ended", finished_reason: i % 2 === 0 ? "completed" : "interrupted" })
        }))
        assert.strictEqual(await second.kill("SIGTERM"), 0)
      }),
    patience(120_000)
  )

  it(
    "runs 50 inputs that come at once into one session, one at a time, in the order in which they were accepted",
    () =>
      withFolder(async (folder) => {
        const server = await startServer(["--data-dir", folder])
        const client = clientOf(server.url)
        const talk = await client.converse("demo-script", { delay_ms: 1 })
        const sent = await Promise.all(
          numbers(50).map(async (n) => {
            const body = { agent_id: talk.agent_id, session_id: talk.session_id, input: { content: `say number ${n}` } }
            const answer = await retrying(() =>
              callPlain(server.url, "POST", "/chat", body, { prefer: "respond-async" })
            )
            assert.strictEqual(answer.status, 202, answer.text)
            return { n, seq: JSON.parse(answer.text).seq as number, run_id: JSON.parse(answer.text).run_id as string }
          })
        )
        const watching = await client.stream(`/sessions/${talk.session_id}/stream?after=0`)
        await watching.until(() =>
          watching.frames.filter(({ event }) => event.type === "REPLY_END").length === sent.length
        )
        watching.leave()
        const frames = watching.frames.map(({ event }) => event)
        assert.deepStrictEqual(watching.frames.map(({ seq }) => seq), numbers(watching.frames.length))
        const turns = frames.flatMap((event) =>
          event.type === "REPLY_START" || event.type === "REPLY_END" ? [`${event.type} ${event.run_id}`] : []
        )
        // The log tells of each input when it is accepted: that it waits, or that its run begins.
        const accepted = frames.flatMap((event) =>
          isNamed(event, "run_queued") || isNamed(event, "user_message") ? [event.value.run_id] : []
        )
        const order = Array.from(new Set(accepted), (id) => sent.find(({ run_id }) => run_id === id)!)
        assert.strictEqual(order.length, sent.length)
        assert.deepStrictEqual(turns, order.flatMap(({ run_id }) => [`REPLY_START ${run_id}`, `REPLY_END ${run_id}`]))
        const { messages } = await client.must("GET", `/sessions/${talk.session_id}/messages?limit=200`)
        assert.deepStrictEqual(
          messages.map((
            { content, role }: { readonly role: string; readonly content: ReadonlyArray<{ readonly text: string }> }
          ) => [role, content[0]!.text]),
          order.flatMap(({ n }) => [["user", `say number ${n}`], ["assistant", `number ${n}`]])
        )
        await server.kill("SIGTERM")
      }),
    patience(60_000)
  )
})
