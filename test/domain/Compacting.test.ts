/** Where contexts are cut: no call loses its result, and what is asked stays. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { cutsIn, planOf } from "../../src/domain/Compacting.ts"
import { type Compacted, contextOf } from "../../src/domain/Context.ts"
import type { BlockId, MessageId, RunId, SessionId, Timestamp, ToolCallId } from "../../src/domain/Ids.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import { bytesOf, charactersWithin, tokensIn } from "../../src/domain/Tokens.ts"

const at = "2026-01-01T00:00:00.000Z" as Timestamp

const text = (id: string, tokens: number): ContentBlock => ({
  type: "text",
  id: id as BlockId,
  text: "word".repeat(tokens)
})

const message = (id: string, role: Message["role"], content: ReadonlyArray<ContentBlock>): Message => ({
  id: id as MessageId,
  name: role,
  role,
  content,
  metadata: {},
  created_at: at,
  finished_at: at,
  usage: null
})

const call = (id: string): ContentBlock => ({
  type: "tool_call",
  id: id as ToolCallId,
  name: "T",
  input: "{}",
  state: "finished",
  suggested_rules: []
})

const result = (id: string, tokens: number): ContentBlock => ({
  type: "tool_result",
  id: id as ToolCallId,
  name: "T",
  output: "word".repeat(tokens),
  state: "success"
})

const compacted = (value: Partial<Compacted["value"]>): Compacted => ({
  id: "c",
  created_at: at,
  type: "CUSTOM",
  name: "context_compacted",
  value: {
    session_id: "s" as SessionId,
    run_id: "r" as RunId,
    reply_id: "reply" as MessageId,
    reason: "size",
    method: "summary",
    summary: "so far",
    up_to: "reply" as MessageId,
    blocks: null,
    keeps_from: "reply" as MessageId,
    tokens_before: 0,
    tokens_after: 0,
    ...value
  }
})

/** Rounds of a reply: what is said, the sizes of the parallel results, and what is told afterwards. */
const round = FastCheck.record({
  says: FastCheck.nat(30),
  results: FastCheck.array(FastCheck.nat(60), { minLength: 1, maxLength: 3 }),
  hint: FastCheck.boolean()
})

const situation = FastCheck.record({
  before: FastCheck.array(FastCheck.nat(80), { maxLength: 12 }),
  input: FastCheck.option(FastCheck.nat(80), { nil: undefined }),
  rounds: FastCheck.array(round, { maxLength: 6 }),
  again: FastCheck.array(round, { minLength: 1, maxLength: 4 }),
  reserve: FastCheck.nat(200),
  size: FastCheck.integer({ min: 1, max: 1_000 })
})

const blocksOf = (
  rounds: ReadonlyArray<{ readonly says: number; readonly results: ReadonlyArray<number>; readonly hint: boolean }>,
  from = 0
) =>
  rounds.flatMap(({ hint, results, says }, i): ReadonlyArray<ContentBlock> => [
    text(`t${from + i}`, says),
    ...results.map((_, n) => call(`c${from + i}.${n}`)),
    ...results.map((tokens, n) => result(`c${from + i}.${n}`, tokens)),
    ...(hint ? [{ type: "hint", id: `h${from + i}` as BlockId, hint: "look" } as const] : [])
  ])

/** Each call of a context has its result, and each result its call. */
const isPaired = (messages: ReadonlyArray<Message>) => {
  for (const { content } of messages) {
    const ids = (type: ContentBlock["type"]) =>
      content.filter((block) => block.type === type).map(({ id }) => id as string)
    assert.deepStrictEqual(ids("tool_call"), ids("tool_result"))
  }
}

describe("A plan for a compaction", () => {
  it("parts no call from its result, keeps what is newest, and loses nothing, one after the other", () => {
    FastCheck.assert(FastCheck.property(situation, ({ again, before, input, reserve, rounds, size }) => {
      const messages = before.map((tokens, i) =>
        message(`m${i}`, i % 2 === 0 ? "user" : "assistant", [text(`b${i}`, tokens)])
      )
      if (input !== undefined) messages.push(message("input", "user", [text("in", input)]))
      const inputs = input === undefined ? [] : ["input" as MessageId]
      const first = message("reply", "assistant", blocksOf(rounds))
      const second = { ...first, content: [...first.content, ...blocksOf(again, rounds.length)] }
      let compaction: Compacted | undefined
      for (const reply of [first, second]) {
        const plan = planOf({ messages, reply, compaction, inputs, reserve, size })
        const all = contextOf([...messages, reply], compaction)
        if (plan === undefined) continue
        const event = compacted({ up_to: plan.up_to, blocks: plan.blocks, keeps_from: plan.keeps_from })
        const kept = contextOf([...messages, reply], event)
        isPaired(kept)
        isPaired(plan.replaced)
        assert.isAbove(plan.removed, -1)
        const shown = (list: ReadonlyArray<Message>) =>
          list.flatMap(({ content }) => content.map(({ id, type }) => `${type} ${id}`))
        // What the summary stands for and what stays are all that there was; the input may be in both.
        const before = compaction === undefined ? shown(all) : shown(all).slice(1)
        const stays = shown(kept).slice(1)
        assert.sameMembers([...new Set([...shown(plan.replaced), ...stays])], before)
        assert.deepStrictEqual(before.filter((one) => stays.includes(one)), stays)
        if (input !== undefined && input <= size / 2) assert.include(shown(kept), "text in")
        compaction = event
      }
    }))
  })

  it("cuts a reply only behind a round's last result", () => {
    const blocks = blocksOf([{ says: 1, results: [1, 1], hint: true }, { says: 1, results: [1], hint: false }])
    assert.deepStrictEqual(cutsIn(blocks), [5, 9])
    assert.deepStrictEqual(cutsIn(blocks.slice(0, 4)), [])
  })

  it("leaves a reply without the part that a summary stood for, also where no person has spoken since", () => {
    const first = message("r1", "assistant", [
      ...blocksOf([{ says: 500, results: [500], hint: false }]),
      text("end", 5)
    ])
    const messages = [message("u1", "user", [text("in", 300)]), first, message("r2", "assistant", [text("task", 20)])]
    const compaction = compacted({ up_to: first.id, blocks: 3, keeps_from: "u1" as MessageId })
    const reply = message("reply", "assistant", [])
    const plan = planOf({ messages, reply, compaction, inputs: [], reserve: 50, size: 1_000 })
    const { blocks, keeps_from, up_to } = plan!
    const kept = contextOf([...messages, reply], compacted({ blocks, keeps_from, up_to }))
    assert.deepStrictEqual(kept.map(({ id }) => id), ["c", "r1", "r2", "reply"])
    assert.deepStrictEqual(kept[1]!.content, [text("end", 5)])
    assert.strictEqual(plan!.kept, 25)
  })

  it("counts of long results and of what tasks have brought what models are shown of them", () => {
    const long = { ...result("c0", 10_000), offloaded: { shown: 400, characters: 40_000, path: null } } as ContentBlock
    const hint: ContentBlock = { type: "hint", id: "h" as BlockId, hint: "word".repeat(10_000), shown: 400 }
    const answered = message("r1", "assistant", [call("c0"), long, hint])
    const messages = [message("u1", "user", [text("in", 300)]), answered]
    const reply = message("reply", "assistant", [])
    const plan = planOf({ messages, reply, compaction: undefined, inputs: [], reserve: 1_000, size: 5_000 })
    assert.strictEqual(plan, undefined)
    const tight = planOf({ messages, reply, compaction: undefined, inputs: [], reserve: 0, size: 5_000 })
    assert.isBelow(tight!.removed, 1_000)
    assert.strictEqual(tight!.removed, tokensIn(contextOf(messages, undefined)))
  })

  it("has nothing to replace where there is only what is asked", () => {
    const messages = [message("input", "user", [text("in", 5_000)])]
    const reply = message("reply", "assistant", [])
    assert.isUndefined(
      planOf({ messages, reply, compaction: undefined, inputs: ["input" as MessageId], reserve: 0, size: 100 })
    )
  })
})

describe("Tokens", () => {
  it("are counted by the bytes of a text, and no character is cut in two", () => {
    FastCheck.assert(FastCheck.property(FastCheck.string({ unit: "grapheme" }), FastCheck.nat(40), (given, bytes) => {
      assert.strictEqual(bytesOf(given), Buffer.byteLength(given))
      const head = given.slice(0, charactersWithin(given, bytes))
      assert.isAtMost(Buffer.byteLength(head), bytes)
      assert.isTrue(head.isWellFormed())
    }))
    assert.strictEqual(tokensIn([message("m", "user", [text("b", 10)])]), 10)
  })
})
