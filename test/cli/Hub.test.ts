/** `stoa hub`: what it asks for. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { stoa } from "./Desk.ts"
import { fakeServer, json } from "./FakeServer.ts"

const card = (id: string) => ({
  hub_id: "h",
  id,
  name: id,
  display_name: id,
  description: "",
  tags: [],
  version: null,
  updated_at: null,
  author: null,
  icon_url: null,
  url: null,
  installs: null,
  downloads: null,
  markdown: ""
})

/** A hub with three skills, of which it gives one at a time. */
const server = fakeServer((_, line) => {
  if (line === "GET /hub/skill") {
    return json([{ hub_id: "h", display_name: "H", description: "", icon_url: null }])
  }
  if (!line.startsWith("GET /hub/skill/h/cards")) return undefined
  const at = Number(/cursor=(\d+)/.exec(line)?.[1] ?? 0)
  return json({ cards: [card(`s${at}`)], next_cursor: at < 2 ? `${at + 1}` : null })
})

describe("stoa hub search", () => {
  it.scopedLive("finds all that there is, page by page, or as much as is asked for", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const found = (...words: ReadonlyArray<string>) =>
        Effect.map(stoa({}, "hub", "search", "--kind", "skill", "-o", "json", ...words, "--url", url), ({ out }) =>
          (JSON.parse(out) as ReadonlyArray<{ readonly id: string }>).map(({ id }) => id))
      assert.deepStrictEqual(yield* found(), ["s0", "s1", "s2"])
      assert.deepStrictEqual(yield* found("--limit", "2"), ["s0", "s1"])
    }))
})
