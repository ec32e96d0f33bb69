/** Rounds of a model call and the tool calls that it asked for, until the model asks for none. */
import { Cause, Duration, Effect, Layer } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import type { FileHash } from "../../domain/File.ts"
import type { BlockId } from "../../domain/Ids.ts"
import type { ContentBlock, DataBlock, TextBlock, ToolCallBlock } from "../../domain/Message.ts"
import { type ChatModelConfig, fallbacksIn } from "../../domain/Model.ts"
import { decide } from "../../domain/Permission.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { defaults, type Settings } from "../../domain/Settings.ts"
import { noUsage } from "../../domain/Usage.ts"
import { AgentRunner, type Out, type ReplyRequest } from "../../services/AgentRunner.ts"
import type { Files } from "../../services/Files.ts"
import { type ModelFailed, type ModelPart, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { type Tool, Toolbox } from "../../services/Toolbox.ts"
import * as Blocks from "./Blocks.ts"
import * as FilesIn from "./FilesIn.ts"
import * as FilesOut from "./FilesOut.ts"
import * as Meter from "./Meter.ts"
import * as Output from "./Output.ts"
import * as ToolCall from "./ToolCall.ts"

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

const timedOut = (seconds: number): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "timeout",
    code: "run_timeout",
    message: `The run was ended: it took longer than ${seconds} seconds.`,
    retryable: true
  }
})

/** Times that a model is told what is wrong with its answer. */
const maxCorrections = 2

const corrector = "output_schema"

const isCorrection = (block: ContentBlock) => block.type === "hint" && block.source === corrector

const notOfSchema = (problems: ReadonlyArray<string>): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "invalid_output",
    code: "invalid_output",
    message: `The model's answer is not of the schema that was asked for. ${problems.join(" ")}`,
    retryable: true
  }
})

const tooExpensive: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "invalid_output",
    code: "output_check_too_expensive",
    message:
      "The model's answer could not be checked: the schema, or the answer, is too large for the time that it gets.",
    retryable: false
  }
}

const tooLarge = (excess: string): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "limit",
    code: "reply_too_large",
    message: `The run was ended: its reply exceeds ${excess}.`,
    retryable: false
  }
})

/** A model that had to call a tool in every round would never end. */
const choiceOf = ({ tool_choice }: Run, { rounds }: Reply.Reply) =>
  tool_choice === undefined || (rounds > 0 && tool_choice !== "none") ? {} : { tool_choice }

export type Limits = Pick<Settings, "max_files_mb" | "run_seconds" | "tool_seconds">

const isSaid = (block: ContentBlock): block is TextBlock | DataBlock => block.type === "text" || block.type === "data"

const noteOn = (meter: ReturnType<typeof Meter.make>, cause: Cause.Cause<ModelFailed>) => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") meter.failed(failure.value.type)
  else if (!Cause.isInterruptedOnly(cause)) meter.failed("internal")
}

/** The session's setting, or else the agent's. */
const fallbacksOf = ({ config }: Session, { data }: Agent): ReadonlyArray<ChatModelConfig> =>
  config.fallback_chat_model_config === null
    ? data.fallback_chat_model_configs
    : fallbacksIn("", config.fallback_chat_model_config).map(({ config }) => config)

const repeatable = (tools: ReadonlyArray<Tool>, name: string) =>
  tools.some((tool) => tool.name === name && (tool.idempotent || tool.effect !== "write"))

export const make = Effect.fnUntraced(function*({ max_files_mb, run_seconds, tool_seconds }: Limits) {
  const models = yield* Models
  const withFiles = yield* FilesIn.make({ max_files_mb })
  const filesOut = yield* FilesOut.make
  const toolbox = yield* Toolbox
  const newId = yield* NewId

  /** Adds the steering inputs that came meanwhile, so that the next model call sees them. */
  const steer = (out: Out) => {
    for (const { content, name } of out.takeSteering()) {
      const hint = content.filter(isSaid)
      out.emit({
        type: "HINT_BLOCK",
        reply_id: out.reply().message.id,
        block_id: newId.short() as BlockId,
        source: name,
        hint
      })
    }
  }

  const callModel = Effect.fnUntraced(
    function*({ agent, context, run, session }: ReplyRequest, out: Out, tools: ReadonlyArray<Tool>) {
      const config = session.config.chat_model_config
      const { message } = out.reply()
      const reply_id = message.id
      if (config === null) {
        return yield* Effect.die(new Error("A run was started in a session without a model"))
      }
      const fallbacks = fallbacksOf(session, agent)
      const clock = yield* Effect.clock
      const meter = Meter.make({ out, reply_id, clock })
      meter.begin(config)
      const blocks = Blocks.make({
        reply_id,
        emit: out.emit,
        newBlock: () => newId.short() as BlockId,
        isTaken: (id) => message.content.some((block) => block.type === "tool_call" && block.id === id)
      })
      let finish: Finish = { type: "finish", reason: "other", usage: noUsage }
      const outlet = filesOut.outlet(session)
      const messages = message.content.length === 0 ? context : [...context, message]
      yield* withFiles(session.user_id, messages, (messages) => models.stream({
        owner: session.user_id,
        config,
        fallbacks,
        system: agent.data.system_prompt,
        messages,
        tools: [...tools, ...agent.data.client_tools, ...run.tools],
        ...choiceOf(run, out.reply()),
        ...(run.output_schema !== undefined && { output: { schema: run.output_schema } })
      }, (part) => {
        if (part.type === "retry") return void meter.retry()
        if (part.type === "switch") return void meter.switch(part)
        meter.come()
        if (part.type === "finish") finish = part
        else if (part.type === "data" && !FilesOut.isSmall(part)) {
          return outlet.writeFile(part, (source) => blocks.take(source.type === "url" ? { ...part, url: source.url } : part))
        } else {
          const stored = outlet.write(() => blocks.take(part))
          if (stored !== undefined) return stored
        }
        return out.behind()
      })).pipe(
        Effect.onInterrupt(() => outlet.stop),
        Effect.tapErrorCause((cause) => Effect.sync(() => noteOn(meter, cause))),
        Effect.tapError(({ message, retryable, type }) =>
          Effect.logWarning("A model call failed").pipe(
            Effect.annotateLogs({
              error: message,
              error_type: type,
              retryable,
              provider: config.type,
              model: config.model,
              tenant: run.user_id,
              session_id: run.session_id,
              run_id: run.id
            })
          )
        )
      )
      const made = yield* outlet.settled
      meter.finish(finish)
      if (made.length > 0) {
        // The files are kept once the log names them.
        yield* out.durable
        yield* filesOut.keep(session.id, made)
      }
      return finish
    }
  )

  const runTool = Effect.fnUntraced(function*(
    { agent, session }: ReplyRequest,
    out: Out,
    call: ToolCallBlock,
    budget: ToolCall.Budget
  ) {
    const reply_id = out.reply().message.id
    const tool_call_id = call.id
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name: call.name })
    yield* out.durable
    /** The tool's files by their block. Pieces of one come apart, so they are let out when the tool has ended. */
    const made = new Map<string, { readonly media_type: string; data: string }>()
    const state = yield* ToolCall.within(
      tool_seconds,
      (emit) => toolbox.call({ session, agent }, call, emit),
      (part) => {
        if (part.type === "text") {
          out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.delta })
        } else {
          const { block, data, media_type } = part
          const file = made.get(block)
          if (file === undefined) made.set(block, { media_type, data })
          else file.data += data
        }
      },
      budget
    )
    const kept: Array<FileHash> = []
    for (const [block, file] of made) {
      const source = FilesOut.isSmall(file) ? undefined : yield* filesOut.store(session, file)
      if (source !== undefined && "hash" in source) kept.push(source.hash)
      out.emit({
        type: "TOOL_RESULT_DATA_DELTA",
        reply_id,
        tool_call_id,
        block_id: block as BlockId,
        media_type: file.media_type,
        ...source?.type === "url" ? { url: source.url } : { data: file.data }
      })
    }
    out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state })
    if (kept.length > 0) {
      yield* out.durable
      yield* filesOut.keep(session.id, kept)
    }
  })

  const deny = (out: Out, { id: tool_call_id, name: tool_call_name }: ToolCallBlock, why: string) => {
    const reply_id = out.reply().message.id
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name })
    out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: why })
    out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state: "denied" })
  }

  const ask = (out: Out, call: ToolCallBlock) =>
    out.emit({
      type: "REQUIRE_USER_CONFIRM",
      reply_id: out.reply().message.id,
      tool_calls: [{
        ...call,
        state: "asking",
        suggested_rules: [{ tool_name: call.name, rule_content: null, behavior: "allow", source: "suggestion" }]
      }]
    })

  const submit = (out: Out, calls: ReadonlyArray<ToolCallBlock>) => {
    if (calls.length === 0) return
    const reply_id = out.reply().message.id
    for (const { id: tool_call_id, name: tool_call_name } of calls) {
      out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name })
    }
    out.emit({
      type: "REQUIRE_EXTERNAL_EXECUTION",
      reply_id,
      tool_calls: calls.map((call) => ({ ...call, state: "submitted" }))
    })
  }

  /** Runs the calls that may run, asks about those that need it, and says what is waited for then. */
  const runTools = Effect.fnUntraced(function*(request: ReplyRequest, out: Out, tools: ReadonlyArray<Tool>) {
    const { mode } = request.session.state.permission_context
    const external = new Map(
      [...request.agent.data.client_tools, ...request.run.tools].map((tool) => [tool.name, tool])
    )
    const run: Array<ToolCallBlock> = []
    const outside: Array<ToolCallBlock> = []
    for (const call of Reply.unanswered(out.reply().message)) {
      if (call.state === "submitted") continue
      if (call.state === "finished") {
        deny(out, call, "The user did not allow this call.")
        continue
      }
      const { effect } = external.get(call.name) ?? tools.find(({ name }) => name === call.name) ?? { effect: "none" }
      const decision = call.state === "allowed"
        ? "allow"
        : decide(request.session.state.permission_context, call.name, effect)
      // Permission was asked for already; but a rule that came with another answer may allow the call now.
      if (call.state === "asking" && decision !== "allow") continue
      if (decision === "deny") deny(out, call, `Permission denied for ${call.name} (${mode}).`)
      else if (decision === "ask") ask(out, call)
      else if (external.has(call.name)) outside.push(call)
      else run.push(call)
    }
    submit(out, outside)
    const budget = { left: Reply.roomIn(out.reply().message) }
    yield* Effect.forEach(run, (call) => runTool(request, out, call, budget), {
      concurrency: toolConcurrency,
      discard: true
    })
    yield* out.durable
    const [first] = Reply.awaited(out.reply().message)
    return first === undefined
      ? undefined
      : { waiting_for: first.state === "asking" ? "user_confirmation" as const : "external_execution" as const }
  })

  /**
   * Brings a reply that a crash cut off to where a round can begin. A model call
   * in flight is made again, with what it had said; a call in flight is run
   * again only when that does no harm.
   */
  const pickUp = Effect.fnUntraced(function*(request: ReplyRequest, out: Out, tools: ReadonlyArray<Tool>) {
    const reply = out.reply()
    const { message } = reply
    if (reply.call !== undefined) {
      for (const draft of Reply.closeOpen(reply)) out.emit(draft)
      for (
        const draft of Reply.interruptCalls(
          out.reply(),
          "The tool was not run: the model call that asked for it was cut off."
        )
      ) {
        out.emit(draft)
      }
      return undefined
    }
    const started = new Set(
      message.content.filter((block) => block.type === "tool_result").map(({ id }) => id as string)
    )
    const lost = Reply.unanswered(message)
      .filter(({ id, name, state }) => started.has(id) && state !== "submitted" && !repeatable(tools, name))
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
    return yield* runTools(request, out, tools)
  })

  /** How a reply without open calls ends. Undefined when its answer does not fit the schema and the model has been told so. */
  const settle = Effect.fnUntraced(function*({ run }: ReplyRequest, out: Out) {
    if (run.output_schema === undefined) return completed
    const { message } = out.reply()
    const checked = yield* Effect.catchTag(
      Output.check(run.user_id, run.output_schema, message),
      "CheckTooExpensive",
      () => Effect.succeed(undefined)
    )
    if (checked === undefined) return tooExpensive
    if ("value" in checked) return { ...completed, structured_output: checked.value }
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

  const run = Effect.fnUntraced(function*(request: ReplyRequest, out: Out) {
    const tools = yield* toolbox.list(request)
    const maxIters = request.agent.data.react_config.max_iters
    const before = out.reply()
    if (before.rounds > 0 || before.call !== undefined) {
      const last = before.message.content.at(-1)?.type
      const answered = before.call === undefined && last !== "tool_result" && last !== "hint" &&
        Reply.unanswered(before.message).length === 0
      if (answered) {
        const ending = yield* settle(request, out)
        if (ending !== undefined) return ending
      }
      const parked = yield* pickUp(request, out, tools)
      if (parked !== undefined) return parked
    }
    while (out.reply().rounds < maxIters) {
      steer(out)
      const excess = Reply.excessOf(out.reply().message)
      if (excess !== undefined) return tooLarge(excess)
      const finish = yield* callModel(request, out, tools)
      if (Reply.unanswered(out.reply().message).length === 0) {
        const ending = finish.reason === "length" ? maxTokens : yield* settle(request, out)
        if (ending !== undefined) return ending
        continue
      }
      const parked = yield* runTools(request, out, tools)
      if (parked !== undefined) return parked
    }
    out.emit({ type: "EXCEED_MAX_ITERS", reply_id: out.reply().message.id, name: request.agent.data.name })
    return exceeded
  })

  /** The time limit of a recovered or answered run counts from here. */
  const inTime = <E>(running: Effect.Effect<Reply.Outcome, E>): Effect.Effect<Reply.Outcome, E> =>
    run_seconds === 0 ? running : Effect.timeoutTo(running, {
      duration: Duration.seconds(run_seconds),
      onSuccess: (outcome) => outcome,
      onTimeout: () => timedOut(run_seconds)
    })

  return AgentRunner.of({
    run: (request, out) =>
      inTime(Effect.catchTag(run(request, out), "ModelFailed", (error) => Effect.succeed<Reply.Outcome>(failed(error))))
  })
})

export const layer = (limits: Limits = defaults): Layer.Layer<AgentRunner, never, Files | Models | Toolbox> =>
  Layer.effect(AgentRunner, make(limits))
