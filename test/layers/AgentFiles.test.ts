/** Files between the log and a model: large ones are stored, and a model gets their bytes, or a note. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted } from "effect"
import { fileAt } from "../../src/domain/File.ts"
import type { BlockId, MessageId, UserId } from "../../src/domain/Ids.ts"
import type { DataBlock, InputMessage, Message } from "../../src/domain/Message.ts"
import type { Session } from "../../src/domain/Session.ts"
import { noUsage } from "../../src/domain/UsageSum.ts"
import * as FilesIn from "../../src/layers/AgentRunner/FilesIn.ts"
import * as FilesMemory from "../../src/layers/Files/Memory.ts"
import * as Host from "../../src/layers/Host.ts"
import * as Memory from "../../src/layers/Memory/Tables.ts"
import * as ModelsScripted from "../../src/layers/Models/Scripted.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Files, wholeOf } from "../../src/services/Files.ts"
import type { ModelPart } from "../../src/services/Models.ts"
import { now } from "../../src/services/Now.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { conversation, watch } from "../support/hub.ts"
import { jpeg, png } from "../support/pictures.ts"

const vault = VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32))] })

const play = (script: ReadonlyArray<ModelsScripted.Entry>) =>
  Layer.unwrapScoped(Effect.map(Layer.build(ModelsScripted.layer(script)), (models) => {
    const parts = Layer.mergeAll(Host.memory, Layer.succeedContext(models), vault)
    return Layer.mergeAll(Host.engine(parts, { trusted: true }), Layer.succeedContext(models))
  }))

/** Sends an input, and waits for its reply. */
const ask = Effect.fnUntraced(function*(session: Session, content: InputMessage["content"]) {
  const hub = yield* SessionHub
  const accepted = yield* hub.send(session.user_id, {
    agent_id: session.agent_id,
    session_id: session.id,
    input: { name: "user", role: "user", content, metadata: {} },
    on_busy: "enqueue",
    tools: []
  })
  const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
  yield* Deferred.await(seen.ended)
  return { frames: seen.frames(), message: yield* hub.reply(session, accepted.run_id, accepted.seq) }
}, Effect.scoped)

const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }

const picture = (data: string, media_type = "image/png"): DataBlock => ({
  type: "data",
  id: "picture" as BlockId,
  source: { type: "base64", data, media_type }
})

const dataIn = ({ content }: Message) =>
  content.flatMap((block) =>
    block.type === "data"
      ? [block]
      : block.type === "tool_result" && typeof block.output !== "string"
      ? block.output.filter((piece) => piece.type === "data")
      : []
  )

describe("A large file", () => {
  it.live("that a person sends reaches the model as bytes, in each turn, and the log has its path", () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      const data = png(100_000).toString("base64")
      yield* ask(session, [picture(data)])
      yield* ask(session, "And again?")
      const calls = yield* ModelsScripted.Calls
      assert.lengthOf(calls, 2)
      for (const { messages } of calls) {
        assert.deepStrictEqual(messages.flatMap(dataIn).map(({ source }) => source), [picture(data).source])
      }
    }).pipe(Effect.provide(play([
      [{ type: "text", block: "0", delta: "Seen." }, finish],
      [{ type: "text", block: "0", delta: "Seen." }, finish]
    ]))))

  const made = png(60_000)
  const data = made.toString("base64")
  const makers: ReadonlyArray<readonly [who: string, parts: ReadonlyArray<ModelPart>]> = [
    ["a model makes", [{ type: "data", media_type: "image/png", data }]],
    ["a provider's own tool makes", [
      { type: "tool_call_start", id: "draw-1", name: "draw", provider_executed: true },
      { type: "tool_call_delta", id: "draw-1", delta: "{}" },
      { type: "tool_call_end", id: "draw-1" },
      { type: "tool_result", id: "draw-1", text: "", files: [{ media_type: "image/png", data }], state: "success" }
    ]]
  ]
  for (const [who, parts] of makers) {
    it.live(`that ${who} is stored before what comes behind it, and named by its path`, () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { frames, message } = yield* ask(session, "Draw!")
        const [block] = dataIn(message)
        assert.strictEqual(block?.source.type, "url")
        const at = block?.source.type === "url" ? fileAt(block.source.url) : undefined
        assert.notInclude(frames, data.slice(0, 1000))
        const files = yield* Files
        const stored = yield* files.get(session.user_id, session.id, at!.hash)
        assert.isTrue(made.equals(yield* wholeOf(files, session.user_id, stored)))
        assert.strictEqual(message.content.at(-1)?.type, "text")
        // The next turn has the bytes again.
        yield* ask(session, "Once more?")
        const calls = yield* ModelsScripted.Calls
        const sources = calls.at(-1)!.messages.flatMap(dataIn).map(({ source }) => source)
        assert.deepStrictEqual(sources, [{ type: "base64", data, media_type: "image/png" }])
      }).pipe(Effect.provide(play([
        [...parts, { type: "text", block: "end", delta: "There." }, finish],
        [{ type: "text", block: "0", delta: "Yes." }, finish]
      ]))))
  }

  it.live("that a model makes, and is not what it says it is, is shown to nobody's model in later turns", () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      yield* ask(session, "Draw!")
      yield* ask(session, "Once more?")
      const calls = yield* ModelsScripted.Calls
      const [shown] = calls.at(-1)!.messages.flatMap(({ role, content }) => role === "assistant" ? content : [])
      assert.strictEqual(shown?.type, "text")
      assert.match(shown?.type === "text" ? shown.text : "", /is image\/jpeg and not image\/png/)
    }).pipe(Effect.provide(play([
      [{ type: "data", media_type: "image/png", data: jpeg(60_000).toString("base64") }, finish],
      [{ type: "text", block: "0", delta: "Yes." }, finish]
    ]))))

  for (const media_type of ["image/png\r\nx-odd: 1", "", "nonsense", "image/ž", `${"x".repeat(5_000)}/y`]) {
    for (const size of [100, 60_000]) {
      const made = { media_type, data: png(size).toString("base64") }
      it.live(`of ${size} bytes whose type is none, ${JSON.stringify(media_type).slice(0, 24)}, is one of any bytes`, () =>
        Effect.gen(function*() {
          const session = yield* conversation()
          const { message } = yield* ask(session, "Draw!")
          const types = dataIn(message).map(({ source }) => source.media_type)
          assert.deepStrictEqual(types, ["application/octet-stream", "application/octet-stream"])
        }).pipe(Effect.provide(play([
          [
            { type: "data", ...made },
            { type: "tool_call_start", id: "draw-1", name: "draw", provider_executed: true },
            { type: "tool_call_end", id: "draw-1" },
            { type: "tool_result", id: "draw-1", text: "", files: [made], state: "success" },
            finish
          ]
        ]))))
    }
  }
})

describe("A file of the history", () => {
  /** What a model is given for a message with these blocks. */
  const given = (...content: ReadonlyArray<DataBlock>) => givenAtMost(null, ...content)

  const givenAtMost = (most: number | null, ...content: ReadonlyArray<DataBlock>) =>
    Effect.gen(function*() {
      const withFiles = yield* FilesIn.make({ max_files_mb: 20 })
      const message: Message = {
        id: "m" as MessageId,
        name: "user",
        role: "user",
        content,
        metadata: {},
        created_at: yield* now,
        finished_at: null,
        usage: noUsage
      }
      return yield* withFiles("ada" as UserId, [message], ([message]) => Effect.succeed(message!.content), most)
    }).pipe(Effect.provide(FilesMemory.layer.pipe(Layer.provide(Memory.layer))))

  const good = picture(png().toString("base64"))
  const url = (url: string): DataBlock => ({ ...good, source: { type: "url", url, media_type: "image/png" } })

  const unreadable: ReadonlyArray<readonly [what: string, block: DataBlock, note: RegExp]> = [
    ["is not base64", picture("no picture!"), /cannot be read/],
    ["has a data: prefix in its data", picture(`data:image/png;base64,${png().toString("base64")}`), /cannot be read/],
    ["is empty", picture(""), /is empty/],
    ["is of another type than it says", picture(png().toString("base64"), "application/pdf"), /not application\/pdf/],
    ["is stored no more", url(`/sessions/s/files/${"0".repeat(64)}`), /not stored any more/]
  ]
  for (const [what, block, says] of unreadable) {
    it.effect(`that ${what} is left out with a note, and the others go out`, () =>
      Effect.gen(function*() {
        const [first, second] = yield* given(block, good)
        assert.match(first?.type === "text" ? first.text : "", says)
        assert.strictEqual(second, good)
      }))
  }

  it.effect("that is a picture is shown only while it is one of the newest that the agent wants", () =>
    Effect.gen(function*() {
      const pictures = [1, 2, 3].map(() => picture(png().toString("base64")))
      const sound: DataBlock = {
        ...good,
        source: { type: "url", url: "https://a.example/a.mp3", media_type: "audio/mpeg" }
      }
      const kinds = (most: number | null) =>
        Effect.map(
          givenAtMost(most, sound, ...pictures),
          (content) => content.map((block) => block.type === "text" ? block.text.includes("newest") : block)
        )
      assert.deepStrictEqual(yield* kinds(2), [sound, true, pictures[1]!, pictures[2]!])
      assert.deepStrictEqual(yield* kinds(0), [sound, true, true, true])
      for (const most of [3, null]) assert.deepStrictEqual(yield* kinds(most), [sound, ...pictures])
    }))

  it.effect("that is a data: URL goes out as base64, and another URL as it is", () =>
    Effect.gen(function*() {
      const bytes = png().toString("base64")
      const far = url("https://example.com/a.png")
      assert.deepStrictEqual(yield* given(url(`data:image/png;base64,${bytes}`), far), [picture(bytes), far])
    }))
})
