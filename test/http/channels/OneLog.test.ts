/** One log, every channel: all of them say the same of it, and say it again byte by byte. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { all } from "../../../src/http/channels/All.ts"
import { Fold } from "../../../src/http/channels/Follow.ts"
import type { Sink } from "../../../src/services/Rooms.ts"
import { logs, pagesOf, type Scripted } from "../../support/channels/Logs.ts"
import { type Read, type Rendering, renderings } from "../../support/channels/Renderings.ts"

/** What a subscriber is sent, and what who does not stream is answered. */
const rendered = ({ make, policy }: Rendering, { events }: Scripted, size: number) => {
  let bytes = ""
  let isEnded = false
  const socket: Sink = {
    write: (frames) => bytes += new TextDecoder().decode(frames),
    unread: () => 0,
    drained: Effect.void,
    end: () => isEnded = true
  }
  const { answer, encoder } = make()
  const fold = new Fold({ encoder, policy }, socket)
  for (const page of pagesOf(events, size)) fold.write(page)
  assert.isTrue(isEnded, "the stream has not ended")
  return { bytes, answer: answer() }
}

/** What it says, of that which the channel shows. */
const shownOf = (read: Read, { said }: Scripted) =>
  Object.fromEntries(Object.keys(read).map((name) => [name, Reflect.get(said, name)]))

describe.each(renderings)("$name", (rendering) => {
  describe.each(logs)("$name", (log) => {
    it("is told as it is in the log: text, thoughts, tools, usage and how it ended", () => {
      const { answer, bytes } = rendered(rendering, log, 3)
      const streamed = rendering.readStream(bytes)
      assert.deepStrictEqual(streamed, shownOf(streamed, log) as unknown as Read)
      if (log.said.status === "failed") return
      const read = rendering.readAnswer(answer)
      assert.deepStrictEqual(read, shownOf(read, log) as unknown as Read)
    })

    it("is rendered again in the same bytes, however its events come", () => {
      const { bytes } = rendered(rendering, log, 1)
      for (const size of [1, 2, 7, log.events.length]) assert.strictEqual(rendered(rendering, log, size).bytes, bytes)
    })
  })
})

describe("Every channel that renders runs", () => {
  it("has an entry in test/support/channels/Renderings.ts", () => {
    /** Channels without a stream of their own. */
    const without = new Set(["agent_service"])
    assert.sameMembers(
      renderings.map(({ name }) => name),
      all.map(({ name }) => name).filter((name) => !without.has(name))
    )
  })
})
