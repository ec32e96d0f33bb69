/** Rounds of a model call and the tool calls that it asked for, until the model asks for none. */
import { Effect, Layer } from "effect"
import type { BlockId } from "../../domain/Ids.ts"
import type { ToolCallBlock } from "../../domain/Message.ts"
import * as Reply from "../../domain/Reply.ts"
import { noUsage } from "../../domain/Usage.ts"
import { AgentRunner, type Out, type Turn } from "../../services/AgentRunner.ts"
import { type ModelFailed, type ModelPart, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { type Tool, Toolbox } from "../../services/Toolbox.ts"
import * as Blocks from "./Blocks.ts"

/** Tool calls of one round that run at the same time. */
const toolConcurrency = 8

type Finish = Extract<ModelPart, { readonly type: "finish" }>

const completed: Reply.Ending = { finished_reason: "completed", error: null }
const maxTokens: Reply.Ending = { finished_reason: "max_tokens", error: null }
const exceeded: Reply.Ending = { finished_reason: "exceed_max_iters", error: null }

const failed = ({ message, retryable, type }: ModelFailed): Reply.Ending => ({
  finished_reason: "error",
  error: { type, code: type, message, retryable }
})

const repeatable = (tools: ReadonlyArray<Tool>, name: string) =>
  tools.some((tool) => tool.name === name && (tool.idempotent || tool.effect !== "write"))

export const make = Effect.gen(function*() {
  const models = yield* Models
  const toolbox = yield* Toolbox
  const newId = yield* NewId

  const callModel = Effect.fnUntraced(
    function*({ agent, context, session }: Turn, out: Out, tools: ReadonlyArray<Tool>) {
      const config = session.config.chat_model_config
      const { message } = out.reply()
      const reply_id = message.id
      if (config === null) {
        return yield* Effect.die(new Error("A run was started in a session without a model"))
      }
      out.emit({ type: "MODEL_CALL_START", reply_id, model_name: config.model })
      const blocks = Blocks.make({
        reply_id,
        emit: out.emit,
        newBlock: () => newId.short() as BlockId,
        isTaken: (id) => message.content.some((block) => block.type === "tool_call" && block.id === id)
      })
      let finish: Finish = { type: "finish", reason: "other", usage: noUsage }
      yield* models.stream({
        owner: session.user_id,
        config,
        system: agent.data.system_prompt,
        messages: message.content.length === 0 ? context : [...context, message],
        tools
      }, (part) => {
        if (part.type === "finish") finish = part
        else blocks.take(part)
        return out.behind()
      })
      for (const draft of Reply.closeOpen({ ...out.reply(), calling: false })) out.emit(draft)
      out.emit({ type: "MODEL_CALL_END", reply_id, ...finish.usage, finished_reason: finish.reason })
      return finish
    }
  )

  const runTool = Effect.fnUntraced(function*({ agent, session }: Turn, out: Out, call: ToolCallBlock) {
    const reply_id = out.reply().message.id
    const tool_call_id = call.id
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name: call.name })
    yield* out.durable
    const state = yield* toolbox.call({ session, agent }, call, (part) => {
      if (part.type === "text") out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.delta })
      else {
        const { block, data, media_type } = part
        out.emit({
          type: "TOOL_RESULT_DATA_DELTA",
          reply_id,
          tool_call_id,
          block_id: block as BlockId,
          media_type,
          data
        })
      }
    })
    out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state })
  })

  const runTools = (turn: Turn, out: Out, calls: ReadonlyArray<ToolCallBlock>) =>
    Effect.zipRight(
      Effect.forEach(calls, (call) => runTool(turn, out, call), { concurrency: toolConcurrency, discard: true }),
      out.durable
    )

  /**
   * Brings a reply that a crash cut off to where a round can begin. A model call
   * in flight is made again, with what it had said; a call in flight is run
   * again only when that does no harm.
   */
  const pickUp = Effect.fnUntraced(function*(turn: Turn, out: Out, tools: ReadonlyArray<Tool>) {
    const reply = out.reply()
    const { message } = reply
    if (reply.calling) {
      for (const draft of Reply.closeOpen(reply)) out.emit(draft)
      for (
        const draft of Reply.interruptCalls(
          out.reply(),
          "The tool was not run: the model call that asked for it was cut off."
        )
      ) {
        out.emit(draft)
      }
      return
    }
    const started = new Set(
      message.content.filter((block) => block.type === "tool_result").map(({ id }) => id as string)
    )
    const lost = Reply.unanswered(message).filter(({ id, name }) => started.has(id) && !repeatable(tools, name))
    for (const { id: tool_call_id } of lost) {
      const reply_id = message.id
      out.emit({
        type: "TOOL_RESULT_TEXT_DELTA",
        reply_id,
        tool_call_id,
        delta: "The server stopped while the tool ran; its outcome is unknown."
      })
      out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state: "interrupted" })
    }
    yield* runTools(turn, out, Reply.unanswered(out.reply().message))
  })

  const run = Effect.fnUntraced(function*(turn: Turn, out: Out) {
    const tools = yield* toolbox.list(turn)
    const maxIters = turn.agent.data.react_config.max_iters
    const before = out.reply()
    if (before.rounds > 0 || before.calling) {
      const answered = !before.calling && before.message.content.at(-1)?.type !== "tool_call"
        && before.message.content.at(-1)?.type !== "tool_result"
      if (answered) return completed
      yield* pickUp(turn, out, tools)
    }
    while (out.reply().rounds < maxIters) {
      const finish = yield* callModel(turn, out, tools)
      const calls = Reply.unanswered(out.reply().message)
      if (calls.length === 0) return finish.reason === "length" ? maxTokens : completed
      yield* runTools(turn, out, calls)
    }
    out.emit({ type: "EXCEED_MAX_ITERS", reply_id: out.reply().message.id, name: turn.agent.data.name })
    return exceeded
  })

  return AgentRunner.of({
    run: (turn, out) => Effect.catchTag(run(turn, out), "ModelFailed", (error) => Effect.succeed(failed(error)))
  })
})

export const layer: Layer.Layer<AgentRunner, never, Models | Toolbox> = Layer.effect(AgentRunner, make)
