import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import { follow } from "../../../src/http/client/Follow.ts"
import * as Requests from "../../../src/http/client/Requests.ts"
import { StoaError } from "../../../src/http/client/StoaError.ts"
import { ended, framesOf, started } from "../../cli/Records.ts"

const bytes = new TextEncoder()

type Body = string | { readonly open: string } | { readonly status: number; readonly retryAfter?: string }

/** A server behind no socket, so that time is the test's: each request gets the next answer, then empty ones. */
const following = (
  bodies: ReadonlyArray<Body>,
  { signal }: { readonly signal?: AbortSignal } = {}
) => {
  const asked: Array<string | null> = []
  let lost = 0
  const fetch = async (_url: string | URL | Request, { headers }: RequestInit = {}) => {
    asked.push(new Headers(headers).get("last-event-id"))
    const body = bodies[asked.length - 1] ?? ""
    if (typeof body === "object" && "status" in body) {
      return Response.json({ code: "away", detail: "Away." }, {
        status: body.status,
        headers: body.retryAfter === undefined ? {} : { "retry-after": body.retryAfter }
      })
    }
    return new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(bytes.encode(typeof body === "string" ? body : body.open))
          if (typeof body === "string") controller.close()
        }
      })
    )
  }
  const seen: Array<number> = []
  const requests = Requests.make({ url: "http://server", fetch })
  const done = (async () => {
    const events = follow(requests, { session: "s1", isExpected: false, onLost: () => void lost++, signal })
    for await (const { seq, type } of events) {
      seen.push(seq)
      if (type === "REPLY_END") return "ended"
    }
    return "never"
  })().catch((error: unknown) => error)
  return { asked, done, seen, lost: () => lost }
}

const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1000)

describe("follow", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("gives up after a bounded number of attempts that bring nothing", async () => {
    const { asked, done, lost } = following([])
    await pass(60)
    assert.propertyVal(await done, "code", "unreachable")
    assert.lengthOf(asked, 9)
    assert.strictEqual(lost(), 1)
  })

  it("makes a connection again that has fallen silent, after the last event that came", async () => {
    const { asked, done, seen } = following([{ open: framesOf(started) }, framesOf([ended()], 3)])
    await pass(40)
    assert.deepStrictEqual(asked, [null])
    await pass(20)
    assert.strictEqual(await done, "ended")
    assert.deepStrictEqual(seen, [1, 2, 3])
    assert.deepStrictEqual(asked, [null, "2"])
  })

  it("waits as long as a server asks for, and gives up what it refuses for good", async () => {
    const { asked, done } = following([framesOf(started), { status: 503, retryAfter: "20" }, { status: 404 }])
    await pass(15)
    assert.lengthOf(asked, 2)
    await pass(10)
    assert.lengthOf(asked, 3)
    assert.deepInclude(await done, { code: "away", status: 404 })
  })

  it.each([
    ["an open connection", { open: framesOf(started) }],
    ["a pause", { status: 503, retryAfter: "25" }]
  ])("leaves %s when its signal is aborted", async (_, body) => {
    const leaving = new AbortController()
    const { asked, done } = following([body], { signal: leaving.signal })
    await pass(1)
    leaving.abort()
    const error = await done
    assert.instanceOf(error, StoaError)
    assert.propertyVal(error, "code", "aborted")
    assert.lengthOf(asked, 1)
  })
})
