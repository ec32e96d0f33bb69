/** One session that is led through every provider and back, with all that a session can hold, against strict servers. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId, MessageId } from "../../src/domain/Ids.ts"
import type { ContentBlock, Message, ToolOutput } from "../../src/domain/Message.ts"
import { patience } from "../support/Patience.ts"
import * as Messages from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import type { Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import { tools } from "./provider/Answers.ts"

const { blocksOf, file, making, reply, result, text, user } = Messages

const png = "iVBORw0KGgo="

const id = "b" as BlockId

/** What a tool may give. */
const picture: ToolOutput = [
  { type: "text", id, text: "see" },
  { type: "data", id, source: { type: "base64", media_type: "image/png", data: png } }
]

/** What a model says first: thoughts, a text, and two calls whose ids every server counts from zero. */
const opening = (n: number) =>
  Say.say(
    Say.thinking(Buffer.from(`sealed ${n}`).toString("base64"), "let me ", "see"),
    Say.text("I look."),
    Say.call("call_0", "weather", `{"city": "Bern", "n": ${n}.10}`),
    Say.call("call_1", "sum", "{\"n\":[12345678901234567890]}")
  )

/** The reply's calls, each with what came of it. */
const answered = (blocks: ReadonlyArray<ContentBlock>, n: number): ReadonlyArray<ContentBlock> => [
  ...blocks,
  ...blocks.flatMap((block, at): ReadonlyArray<ContentBlock> =>
    block.type !== "tool_call" ? [] : [
      n % 3 === 0 && at % 2 === 0
        ? result(block.id, block.name, "stopped", "interrupted")
        : n % 3 === 1
        ? result(block.id, block.name, picture)
        : result(block.id, block.name, " ")
    ]
  )
]

export const ledThrough = (subjects: ReadonlyArray<Subject>) =>
  layer(Talk.base, { excludeTestServices: true, timeout: patience(60_000) })("One session", (it) => {
    it.scoped("is led through every provider and back, and no request is refused", () =>
      Effect.gen(function*() {
        const talks = yield* Effect.forEach(subjects, (subject) =>
          Effect.map(Talk.open(subject), (talk) => ({ subject, talk })))
        let session: ReadonlyArray<Message> = []
        let n = 0
        const add = (message: Message) => {
          session = [...session, { ...message, id: `m${session.length}` as MessageId }]
        }
        const asking = Effect.fnUntraced(function*(
          { subject, talk }: (typeof talks)[number],
          said: Say.Say,
          own: ReadonlyArray<ContentBlock> = []
        ) {
          talk.server.answer(subject.wire.say(said))
          const messages = own.length === 0 ? session : [...session, { ...making(...own), id: "making" as MessageId }]
          const parts = yield* talk.ask({ system: "Be brief.", messages, tools, parameters: subject.thinking ?? {} })
            .pipe(
              Effect.tapErrorCause(() =>
                Effect.sync(() =>
                  assert.deepStrictEqual(talk.server.refused, [], `${subject.name}, turn ${n}`)
                )
              )
            )
          // As from the log: what has no JSON does not come back.
          return JSON.parse(JSON.stringify(blocksOf(parts))) as ReadonlyArray<ContentBlock>
        })
        for (const at of [...talks, ...talks.toReversed(), ...talks]) {
          n++
          const other = talks[(n * 5) % talks.length]!
          const sees = [at, other].every(({ subject }) => subject.seeing === undefined)
          add(
            user(
              text(`turn ${n} ${n % 4 === 0 ? "\ud83d" : "😀"}`),
              ...(n % 2 === 0 && sees ? [file("image/png", png)] : [])
            )
          )
          const first = answered(yield* asking(at, opening(n)), n)
          const hint: ContentBlock = { type: "hint", id, hint: "Hurry." }
          const steered = n % 5 === 0 ? [...first, hint] : first
          // Another provider goes on where this one failed.
          const second = yield* asking(
            n % 4 === 1 ? other : at,
            Say.say(Say.text(n % 3 === 2 ? "\n\n" : "Done.")),
            steered
          )
          add(reply(...steered, ...(n % 7 === 0 ? [] : second)))
          if (n % 6 === 0) {
            add(user(text("stop")))
            add(reply(...yield* asking(at, opening(n))))
          }
        }
        assert.strictEqual(n, subjects.length * 3)
        for (const { subject, talk } of talks) {
          assert.deepStrictEqual(talk.server.refused, [], subject.name)
          assert.isAtLeast(talk.server.received.length, 1, subject.name)
        }
      }), { timeout: patience(120_000) })
  })
