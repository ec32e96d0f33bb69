/** Files that are made while a run goes on: in their place among what is said, also when they come in pieces or the call fails. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Layer } from "effect"
import type { ChatInput } from "../../src/domain/Chat.ts"
import { NotFound } from "../../src/domain/Errors.ts"
import type { ContentBlock, Message } from "../../src/domain/Message.ts"
import type { Session } from "../../src/domain/Session.ts"
import * as AgentRunnerLoop from "../../src/layers/AgentRunner/Loop.ts"
import * as BackgroundTasksLocal from "../../src/layers/BackgroundTasks/Local.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsScripted from "../../src/layers/Models/Scripted.ts"
import * as RoomsLocal from "../../src/layers/Rooms/Local.ts"
import * as RunOwnerLocal from "../../src/layers/RunOwner/Local.ts"
import * as SessionHubLocal from "../../src/layers/SessionHub/Local.ts"
import { Files } from "../../src/services/Files.ts"
import { ModelFailed, type ModelPart, Models } from "../../src/services/Models.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { Toolbox, type ToolPart } from "../../src/services/Toolbox.ts"
import { conversation, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"
import { block, png } from "../support/pictures.ts"

const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }
const said = (delta: string): ModelPart => ({ type: "text", block: "1", delta })
const made = (bytes: Uint8Array): ModelPart => ({
  type: "data",
  media_type: "image/png",
  data: Buffer.from(bytes).toString("base64")
})
const called: ReadonlyArray<ModelPart> = [
  { type: "tool_call_start", id: "c", name: "Draw" },
  { type: "tool_call_end", id: "c" },
  { type: "finish", reason: "tool_calls", usage: { input_tokens: 1, output_tokens: 1 } }
]

/** A tool that gives these parts. */
const drawing = (parts: ReadonlyArray<ToolPart>) =>
  Layer.succeed(Toolbox, {
    all: [],
    namesOf: () => new Set(["Draw"]),
    knows: (name) => name === "Draw",
    effectOf: () => Effect.succeed("none"),
    folderOf: () => Effect.succeed(undefined),
    list: () =>
      Effect.succeed([
        { name: "Draw", description: "", parameters: { type: "object" }, effect: "none" as const, idempotent: true }
      ]),
    call: (_, __, emit) =>
      Effect.sync(() => {
        for (const part of parts) emit(part)
        return "success" as const
      })
  })

/** Files of which one cannot be read any more, although it was there. */
const losing = (gone: { readonly hash: string | undefined }) =>
  Layer.map(Host.memory, (context) => {
    const files = Context.get(context, Files)
    return Context.add(context, Files, {
      ...files,
      piece: (owner, session, hash, n) =>
        hash === gone.hash ? Effect.fail(NotFound.of("File", hash)) : files.piece(owner, session, hash, n)
    })
  })

const over = (
  models: ReturnType<typeof ModelsScripted.layer>,
  parts: ReadonlyArray<ToolPart>,
  memory: typeof Host.memory
) =>
  SessionHubLocal.layer.pipe(
    Layer.provideMerge(RunOwnerLocal.layer),
    Layer.provideMerge(AgentRunnerLoop.layer()),
    Layer.provideMerge(BackgroundTasksLocal.layer),
    Layer.provideMerge(RoomsLocal.layer),
    Layer.provideMerge(Layer.mergeAll(models, drawing(parts), memory, Host.workspaceInMemory))
  )

const host = (
  script: ReadonlyArray<ModelsScripted.Entry>,
  parts: ReadonlyArray<ToolPart>,
  memory: typeof Host.memory
) => over(ModelsScripted.layer(script), parts, memory)

const send = Effect.fnUntraced(function*(session: Session, ...content: ReadonlyArray<object>) {
  const hub = yield* SessionHub
  const accepted = yield* hub.send(session.user_id, {
    agent_id: session.agent_id,
    session_id: session.id,
    input: { name: "user", role: "user", content, metadata: {} } as unknown as ChatInput,
    on_busy: "enqueue",
    tools: []
  })
  const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
  yield* Deferred.await(seen.ended)
  const { messages } = yield* hub.messages(session, { offset: 0, limit: 100 })
  return { events: seen.events().map(({ event }) => event), frames: seen.frames(), messages }
}, Effect.scoped)

const text = { type: "text", text: "look" }

const dataIn = (messages: ReadonlyArray<Message>) =>
  messages.flatMap(({ content }) => content).flatMap((block: ContentBlock) =>
    block.type === "data"
      ? [block]
      : block.type === "tool_result" && typeof block.output !== "string"
      ? block.output.filter((piece) => piece.type === "data")
      : []
  )

const textIn = (messages: ReadonlyArray<Message>) =>
  messages.flatMap(({ content }) => content).map((block) => block.type === "text" ? block.text : "").join(" ")

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64")

type Around = Layer.Layer.Success<ReturnType<typeof host>>

const run = <A, E>(
  title: string,
  script: ReadonlyArray<ModelsScripted.Entry>,
  test: () => Effect.Effect<A, E, Around>,
  parts: ReadonlyArray<ToolPart> = [],
  memory = Host.memory
) =>
  it.live(title, () =>
    test().pipe(
      Effect.provide(host(script, parts, memory)),
      Effect.timeout(patience(20_000))
    ), patience(30_000))

describe("Files of a session", () => {
  const answer = [said("Seen."), finish]

  const gone: { hash: string | undefined } = { hash: undefined }
  run(
    "that are gone become a note, and the turn goes on",
    [answer],
    () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const files = yield* Files
        const { hash } = yield* files.put(session.user_id, session.id, {
          media_type: "image/png",
          name: null,
          bytes: png(30_000)
        })
        gone.hash = hash
        const url = `/sessions/${session.id}/files/${hash}`
        const { messages } = yield* send(session, text, {
          type: "data",
          name: "cat.png",
          source: { type: "url", url, media_type: "image/png" }
        })
        assert.strictEqual(messages.at(-1)?.finished_reason, "completed")
        const [call] = yield* ModelsScripted.Calls
        assert.include(textIn(call!.messages), "[cat.png of type image/png is not shown: it is not stored any more.]")
      }),
    [],
    losing(gone)
  )

  run(
    "that the newest leave no room for become a note",
    Array.from({ length: 3 }, () => answer),
    () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        yield* send(session, text, block(png(12 * 1024 * 1024), "image/png", { name: "old.png" }))
        const newest = png(12 * 1024 * 1024)
        yield* send(session, text, block(newest))
        const [, second] = yield* ModelsScripted.Calls
        assert.deepStrictEqual(dataIn(second!.messages).map(({ source }) => source.type === "base64" && source.data), [
          base64(newest)
        ])
        assert.include(
          textIn(second!.messages),
          "[old.png of type image/png is not shown: the conversation has more files than are sent at once.]"
        )
      })
  )

  const large = png(100_000)
  const small = png(500)
  run("that a model makes are stored when they are large, in their place among what it says", [
    [said("Before. "), made(large), { type: "text", block: "2", delta: "Between. " }, made(small), {
      type: "text",
      block: "3",
      delta: "After."
    }, finish],
    answer
  ], () =>
    Effect.gen(function*() {
      const session = yield* conversation()
      const { events, frames, messages } = yield* send(session, text)
      const reply = messages.at(-1)!
      assert.deepStrictEqual(reply.content.map(({ type }) => type), ["text", "data", "text", "data", "text"])
      const [first, second] = dataIn([reply]).map(({ source }) => source)
      assert.deepStrictEqual(second, { type: "base64", media_type: "image/png", data: base64(small) })
      if (first?.type !== "url") return assert.fail("The picture lies in the log.")
      assert.isBelow(frames.length, 12_000)
      assert.strictEqual(events.at(-1)?.type, "REPLY_END")
      // It keeps the shape that clients of the catalogue know.
      const delta = events.find((event) => event.type === "DATA_BLOCK_DELTA")
      assert.deepInclude(delta, { data: "", url: first.url, media_type: "image/png" })
      yield* send(session, text)
      const [, call] = yield* ModelsScripted.Calls
      assert.deepStrictEqual(dataIn(call!.messages).map(({ source }) => source.type === "base64" && source.data), [
        base64(large),
        base64(small)
      ])
    }))

  const encoded = base64(large)
  const pieces: ReadonlyArray<ToolPart> = [
    { type: "text", delta: "Drawn." },
    { type: "data", block: "a", media_type: "image/png", data: encoded.slice(0, 40_000) },
    { type: "data", block: "b", media_type: "image/png", data: base64(small) },
    { type: "data", block: "a", media_type: "image/png", data: encoded.slice(40_000) }
  ]
  run(
    "that a tool makes are stored when they are large, also when they come in pieces",
    [called, answer],
    () =>
      Effect.gen(function*() {
        const session = yield* conversation()
        const { frames, messages } = yield* send(session, text)
        assert.isBelow(frames.length, 12_000)
        const sources = dataIn(messages).map(({ source }) => source)
        assert.deepStrictEqual(sources.map(({ type }) => type), ["url", "base64"])
        const [, call] = yield* ModelsScripted.Calls
        assert.deepStrictEqual(dataIn(call!.messages).map(({ source }) => source.type === "base64" && source.data), [
          encoded,
          base64(small)
        ])
      }),
    pieces
  )

  it.live("that a model makes come before the end of a call that fails", () => {
    const unkind = Layer.map(ModelsScripted.layer([]), (context) =>
      Context.add(context, Models, {
        ...Context.get(context, Models),
        // It does not wait when it is asked to.
        stream: (_, emit) =>
          Effect.suspend(() => {
            void emit(made(png(400_000)))
            void emit(said("Behind."))
            return new ModelFailed({ type: "upstream", message: "Gone.", retryable: false })
          })
      }))
    const slow = Layer.map(Host.memory, (context) => {
      const files = Context.get(context, Files)
      return Context.add(context, Files, {
        ...files,
        put: (owner, session, file) => Effect.delay(files.put(owner, session, file), "100 millis")
      })
    })
    return Effect.gen(function*() {
      const session = yield* conversation()
      const { events } = yield* send(session, text)
      const types = events.map(({ type }) => type)
      assert.deepStrictEqual(types.slice(types.indexOf("DATA_BLOCK_START")).filter((type) => !type.includes("BLOCK")), [
        "MODEL_CALL_END",
        "REPLY_END"
      ])
      assert.include(types, "TEXT_BLOCK_DELTA")
    }).pipe(Effect.provide(over(unkind, [], slow)), Effect.timeout(patience(20_000)))
  }, patience(30_000))
})
