/** Files that once were in a conversation: whatever their names and links are, every later turn is taken. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId } from "../../src/domain/Ids.ts"
import type { ContentBlock, DataBlock, Message } from "../../src/domain/Message.ts"
import { readable } from "../../src/layers/AgentRunner/ReadableFiles.ts"
import * as Pictures from "../support/pictures.ts"
import * as Answered from "../support/wires/Answered.ts"
import * as Messages from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import * as Talk from "../support/wires/Talk.ts"

const { reply, text, user } = Messages

const data = (source: DataBlock["source"], name?: string): ContentBlock => ({
  type: "data",
  id: "b" as BlockId,
  ...(name !== undefined && { name }),
  source
})

const document = (name?: string) =>
  data({ type: "base64", media_type: "application/pdf", data: Pictures.pdf().toString("base64") }, name)

const link = (url: string) => data({ type: "url", media_type: "image/png", url })

const names = [
  "report_2026.final  (v2).pdf",
  "report_2026.final  (v2).pdf",
  "",
  " \n",
  "\ud800.pdf",
  "заметки.pdf",
  `${"x".repeat(3_000)}.pdf`,
  ".pdf",
  "no ending"
]

const links = ["file:///etc/passwd", "javascript:alert(1)", "ftp://example.com/a.png", "blob:abc", "about:blank"]

layer(Talk.base, { excludeTestServices: true })("In every later turn are taken", (it) => {
  for (const subject of Object.values(Answered.subjects)) {
    const asks = (...content: ReadonlyArray<ReadonlyArray<ContentBlock>>) =>
      Effect.gen(function*() {
        const { ask, request, server } = yield* Talk.open(subject)
        server.answer(subject.wire.say(Say.say(Say.text("ok"))))
        const turns = content.flatMap((blocks) => [user(...blocks), reply(text("Seen."))])
        yield* Effect.exit(ask({ messages: [...turns, user(text("Go on."))].map(readable) }))
        assert.deepStrictEqual(server.refused, [])
        return JSON.stringify(request().body)
      })

    it.scoped(`documents of any name, also alone and twice: ${subject.name}`, () =>
      asks(...names.map((name) => [document(name)]), [document()], [text("And this?"), document("a.pdf")]))

    it.scoped(`links that no provider can follow: ${subject.name}`, () =>
      Effect.gen(function*() {
        const body = yield* asks(...links.map((url) => [text("See."), link(url)]))
        for (const url of links) assert.notInclude(body, url)
      }))

    it.scoped(`links of earlier turns that are dead by now: ${subject.name}`, () =>
      Effect.gen(function*() {
        const { ask, server } = yield* Talk.open(subject)
        const dead = "https://example.com/dead.png"
        const sends = (...messages: ReadonlyArray<Message>) =>
          Effect.gen(function*() {
            server.answer(
              subject.wire.refuse("bad_request", "The link could not be followed."),
              subject.wire.say(Say.say(Say.text("ok")))
            )
            const exit = yield* Effect.exit(ask({ messages: messages.map(readable) }))
            return { bodies: server.received.map(({ body }) => JSON.stringify(body)), exit }
          })
        const older = yield* sends(user(text("See."), link(dead)), reply(text("Seen.")), user(text("Go on.")))
        // Where links are not sent at all, there is nothing to leave out.
        if (older.bodies[0]!.includes(dead)) {
          assert.strictEqual(older.exit._tag, "Success")
          assert.deepStrictEqual(older.bodies.map((body) => body.includes(dead)), [true, false])
        } else assert.strictEqual(older.bodies.length, 1)
        const newest = yield* sends(user(text("See."), link(dead)))
        assert.strictEqual(newest.exit._tag, "Failure", "a person can choose another one")
        assert.isAtMost(newest.bodies.length, 1)
      }))

    it.scoped(`a link to a picture that is said to be the model's own: ${subject.name}`, () =>
      Effect.gen(function*() {
        const { ask, server } = yield* Talk.open(subject)
        server.answer(subject.wire.say(Say.say(Say.text("ok"))))
        yield* ask({
          messages: [user(text("Draw.")), reply(text("Here."), link("https://example.com/a.png")), user(text("Go on."))]
        })
        assert.deepStrictEqual(server.refused, [])
      }))
  }
})
