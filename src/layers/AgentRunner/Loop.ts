/** Rounds of a model call and the tool calls that it asked for, until the model asks for none. */
import { Effect, Layer } from "effect"
import { needsHistory } from "../../domain/Context.ts"
import type { BlockId } from "../../domain/Ids.ts"
import type { ContentBlock, DataBlock, TextBlock, ToolCallBlock } from "../../domain/Message.ts"
import { isOfStep } from "../../domain/MessageText.ts"
import * as OpenCalls from "../../domain/OpenCalls.ts"
import * as Reply from "../../domain/Reply.ts"
import { defaults, type Settings } from "../../domain/Settings.ts"
import { isWithheld } from "../../domain/Stop.ts"
import { AgentRunner, type Out, type ReplyRequest } from "../../services/AgentRunner.ts"
import { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { Files } from "../../services/Files.ts"
import type { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { type Tool, Toolbox } from "../../services/Toolbox.ts"
import type { Workspace } from "../../services/Workspace.ts"
import * as Compaction from "./Compaction.ts"
import * as CompactRun from "./CompactRun.ts"
import { exceeded, failed, notOfSchema, refused, tooExpensive, tooLarge } from "./Endings.ts"
import * as FilesOut from "./FilesOut.ts"
import { inTime } from "./InTime.ts"
import * as ModelCall from "./ModelCall.ts"
import type * as Moving from "./Moving.ts"
import * as Offload from "./Offload.ts"
import * as Output from "./Output.ts"
import * as TaskResults from "./TaskResults.ts"
import * as ToolRound from "./ToolRound.ts"

/** Times that a model is told what is wrong with its answer. */
const maxCorrections = 2

const corrector = "output_schema"

const isCorrection = (block: ContentBlock) => block.type === "hint" && block.source === corrector

/** Answers of one reply that may be cut in the middle of a tool call; the model is told so after each but the last. */
const maxCuts = 2

export type Limits = Moving.Limits & Pick<Settings, "max_files_mb" | "run_seconds">

const isSaid = (block: ContentBlock): block is TextBlock | DataBlock => block.type === "text" || block.type === "data"

/** Whether the reply's last word is the model's, and not what it was told since. */
const isAnswered = ({ message }: Reply.Reply): boolean => {
  const last = message.content.findLast((block) => block.type !== "tool_result" || block.provider_executed !== true)
  return last?.type !== "tool_result" && last?.type !== "hint" && OpenCalls.unanswered(message).length === 0
}

const repeatable = (tools: ReadonlyArray<Tool>, call: ToolCallBlock) =>
  tools.some(({ effect, idempotent, name, workflow }) =>
    (name === call.name && (idempotent || effect === "none" || effect === "read")) ||
    (isOfStep(call) && workflow?.repeatable.has(call.name) === true)
  )

export const make = Effect.fnUntraced(function*({ max_files_mb, run_seconds, ...limits }: Limits) {
  const filesOut = yield* FilesOut.make
  const toolbox = yield* Toolbox
  const newId = yield* NewId
  const tasks = yield* BackgroundTasks
  const results = TaskResults.make({ tasks, newId })
  const compaction = yield* Compaction.make
  const callModel = yield* ModelCall.make({ max_files_mb }, filesOut, compaction)
  const runTools = yield* ToolRound.make(limits, filesOut)
  const compactRun = CompactRun.make(compaction, () => newId.short() as BlockId)
  const offload = yield* Offload.make

  /** Adds the steering inputs that came meanwhile, so that the next model call sees them. */
  const steer = (out: Out) => {
    for (const { content, name } of out.takeSteering()) {
      const blocks = content.filter(isSaid)
      // A text alone is told as one: older clients know no other hints.
      const hint = blocks.every((block) => block.type === "text")
        ? blocks.map(({ text }) => text).join("\n")
        : blocks
      out.emit({
        type: "HINT_BLOCK",
        reply_id: out.reply().message.id,
        block_id: newId.short() as BlockId,
        source: name,
        hint
      })
    }
  }

  /** The tools, and the one that finds what the model is not shown any more, since there is something of that. */
  const withHistory = Effect.fnUntraced(
    function*(request: ReplyRequest, out: Out, given: Compaction.Given, tools: ReadonlyArray<Tool>) {
      const { agent, context, run } = request
      if (!needsHistory(context, given.compaction) && !needsHistory([out.reply().message], undefined)) return tools
      const others = [...tools, ...agent.data.client_tools, ...run.tools]
      const all = yield* toolbox.list({ ...request, history: true })
      return [
        ...tools,
        ...all.filter((tool) => tool.onHistory === true && !others.some(({ name }) => name === tool.name))
      ]
    }
  )

  /** Asks the model, with a context that is shorter when it has become too long. */
  const answer = Effect.fnUntraced(
    function*(
      request: ReplyRequest,
      out: Out,
      given: Compaction.Given,
      listed: ReadonlyArray<Tool>,
      withheld: Set<string>
    ) {
      const before = Reply.excessOf(out.reply().message)
      if (before !== undefined) return tooLarge(before)
      yield* offload(request, out, listed)
      const system = ModelCall.systemOf(request.agent, request.run, listed)
      const fallbacks = ModelCall.fallbacksOf(request.session, request.agent)
      yield* compaction.ifLong(request, out, given, system, listed, fallbacks)
      // After the wait for a summary: what was said meanwhile is told at once, and so is what tasks have brought.
      steer(out)
      if (results.mayBeThere(request, out, false)) yield* results.tell(request, out)
      const excess = Reply.excessOf(out.reply().message)
      if (excess !== undefined) return tooLarge(excess)
      for (;;) {
        const tools = yield* withHistory(request, out, given, listed)
        if (yield* callModel(request, out, given, tools, withheld)) return undefined
        yield* compaction.shorten(request, out, given, system, fallbacks)
      }
    }
  )

  /**
   * Brings a reply that a crash cut off to where a round can begin. A model call
   * in flight is made again, with what it had said; a call in flight is run
   * again only when that does no harm.
   */
  const pickUp = Effect.fnUntraced(function*(request: ReplyRequest, out: Out, tools: ReadonlyArray<Tool>) {
    const reply = out.reply()
    if (reply.call !== undefined) {
      for (const draft of Reply.closeOpen(reply)) out.emit(draft)
    }
    // A step of a workflow asks the model again, and everything else that was done stays.
    if (reply.call !== undefined && reply.call.purpose !== "workflow") {
      const notRun = "The tool was not run: the model call that asked for it was cut off."
      for (const draft of Reply.interruptCalls(out.reply(), notRun)) out.emit(draft)
      return undefined
    }
    // A crash may have come while these were refused: they had not begun to run.
    for (const draft of Reply.refuseCalls(out.reply())) out.emit(draft)
    const { message } = out.reply()
    const started = new Set(
      message.content.filter((block) => block.type === "tool_result").map(({ id }) => id as string)
    )
    const lost = OpenCalls.unanswered(message)
      .filter((call) => started.has(call.id) && call.state !== "submitted" && !repeatable(tools, call))
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
    // What hooks had taken away from the model is not known any more; they are asked about each call again.
    return yield* runTools(request, out, tools, new Set())
  })

  /** How a reply with a whole answer ends. Undefined when the answer does not fit the schema and the model has been told so. */
  const settle = Effect.fnUntraced(function*({ run }: ReplyRequest, out: Out) {
    const ending = Reply.stopped(out.reply())
    if (run.output_schema === undefined) return ending
    const { message } = out.reply()
    const checked = yield* Effect.catchTag(
      Output.check(run.user_id, run.output_schema, message),
      "CheckTooExpensive",
      () => Effect.succeed(undefined)
    )
    if (checked === undefined) return tooExpensive
    if ("value" in checked) return { ...ending, structured_output: checked.value }
    if (message.content.filter(isCorrection).length >= maxCorrections) return notOfSchema(checked.problems)
    out.emit({
      type: "HINT_BLOCK",
      reply_id: message.id,
      block_id: newId.short() as BlockId,
      source: corrector,
      hint: `Answer again, with nothing but JSON of the schema that was asked for. ${checked.problems.join(" ")}`
    })
    return undefined
  })

  /** How the reply ends after the last answer, whose calls are done; undefined when the model is to be asked again. */
  const conclude = (request: ReplyRequest, out: Out, called: boolean) =>
    Effect.suspend(() => {
      const reply = out.reply()
      const reason = reply.stop?.reason
      if (isWithheld(reason)) return Effect.succeed(Reply.stopped(reply))
      if (reason === "max_tokens" && (!called || reply.cuts >= maxCuts)) return Effect.succeed(Reply.stopped(reply))
      // Without a reason the last call was interrupted: a crash came right after that was written down.
      const goesOn = called || reason === undefined || reason === "pause_turn"
      return goesOn ? Effect.succeed(undefined) : settle(request, out)
    })

  const run = Effect.fnUntraced(function*(request: ReplyRequest, out: Out) {
    if (request.run.compact === true) {
      return yield* compactRun(request, out, ModelCall.fallbacksOf(request.session, request.agent))
    }
    const listed = yield* toolbox.list(request)
    const given = Compaction.begin(request)
    const maxIters = request.agent.data.react_config.max_iters
    const before = out.reply()
    if (before.rounds > 0 || before.call !== undefined) {
      const called = before.call !== undefined || !isAnswered(before)
      const parked = called ? yield* pickUp(request, out, listed) : undefined
      if (parked !== undefined) return parked
      const isAsked = before.call !== undefined && before.call.purpose !== "workflow"
      const ending = !isAsked ? yield* conclude(request, out, called) : undefined
      if (ending !== undefined) return ending
    }
    const withheld = new Set<string>()
    let isFirst = true
    while (out.reply().rounds < maxIters) {
      steer(out)
      if (results.mayBeThere(request, out, isFirst)) yield* results.tell(request, out)
      if (isFirst && TaskResults.isVoid(request, out)) return TaskResults.nothingToTell
      isFirst = false
      const excess = yield* answer(request, out, given, listed, withheld)
      if (excess !== undefined) return excess
      const called = OpenCalls.unanswered(out.reply().message).length > 0
      const parked = called ? yield* runTools(request, out, listed, withheld) : undefined
      if (parked !== undefined) return parked
      const ending = yield* conclude(request, out, called)
      if (ending === undefined) continue
      const goesOn = ending.error === null && out.reply().rounds < maxIters && results.hasMore(request, out)
      if (!goesOn) return ending
    }
    out.emit({ type: "EXCEED_MAX_ITERS", reply_id: out.reply().message.id, name: request.agent.data.name })
    return exceeded(out.reply())
  })

  return AgentRunner.of({
    run: (request, out) =>
      inTime(
        Effect.catchTags(run(request, out), {
          ModelFailed: (error) => Effect.succeed<Reply.Outcome>(failed(error)),
          HookRefused: (error) => Effect.succeed<Reply.Outcome>(refused(error))
        }),
        request.run,
        run_seconds
      )
  })
})

export const layer = (
  limits: Limits = defaults
): Layer.Layer<AgentRunner, never, BackgroundTasks | Files | Models | Toolbox | Workspace> =>
  Layer.effect(AgentRunner, make(limits))
