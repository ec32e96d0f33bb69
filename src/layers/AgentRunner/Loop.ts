/** Rounds of a model call and the tool calls that it asked for, until the model asks for none. */
import { Cause, Duration, Effect, Layer } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { needsHistory } from "../../domain/Context.ts"
import { stateUpdated } from "../../domain/CustomEvents.ts"
import type { FileHash } from "../../domain/File.ts"
import type { BlockId } from "../../domain/Ids.ts"
import type { ContentBlock, DataBlock, TextBlock, ToolCallBlock } from "../../domain/Message.ts"
import { type ChatModelConfig, fallbacksIn } from "../../domain/Model.ts"
import type { PermissionRule } from "../../domain/Permission.ts"
import { decide } from "../../domain/permission/Decide.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { defaults, type Settings } from "../../domain/Settings.ts"
import { isWithheld } from "../../domain/Stop.ts"
import { noUsage } from "../../domain/Usage.ts"
import { AgentRunner, type Out, type ReplyRequest } from "../../services/AgentRunner.ts"
import { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { Files } from "../../services/Files.ts"
import { type ModelFailed, type ModelPart, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import { type Tool, Toolbox, type WorkingFolder } from "../../services/Toolbox.ts"
import type { Workspace } from "../../services/Workspace.ts"
import * as Blocks from "./Blocks.ts"
import * as Compaction from "./Compaction.ts"
import * as CompactRun from "./CompactRun.ts"
import { exceeded, failed, notOfSchema, timedOut, tooExpensive, tooLarge } from "./Endings.ts"
import * as FilesIn from "./FilesIn.ts"
import * as FilesOut from "./FilesOut.ts"
import * as Meter from "./Meter.ts"
import * as Moving from "./Moving.ts"
import * as Offload from "./Offload.ts"
import * as Output from "./Output.ts"
import * as TaskResults from "./TaskResults.ts"
import type * as ToolCall from "./ToolCall.ts"

/** Tool calls of one round that run at the same time. */
const toolConcurrency = 8

/** Arguments of more characters than these are judged in a turn of their own. */
const longInput = 1024

/** A call that may run, and the folder that it was decided on for. */
interface Ready {
  readonly call: ToolCallBlock
  readonly folder: WorkingFolder | undefined
}

type Finish = Extract<ModelPart, { readonly type: "finish" }>

/** Times that a model is told what is wrong with its answer. */
const maxCorrections = 2

const corrector = "output_schema"

const isCorrection = (block: ContentBlock) => block.type === "hint" && block.source === corrector

/** Answers of one reply that may be cut in the middle of a tool call; the model is told so after each but the last. */
const maxCuts = 2

/** The agent's prompt, what its tools add to it, which is the same in each run, and what the run's sender adds. */
const systemOf = ({ data }: Agent, { instructions }: Run, tools: ReadonlyArray<Tool>) => {
  let prompt = data.system_prompt
  for (const tool of tools) if (tool.instructions !== undefined) prompt = `${prompt}\n\n${tool.instructions}`
  return instructions === undefined || instructions === "" ? prompt : `${prompt}\n\n${instructions}`
}

/** A model that had to call a tool in every round would never end. */
const choiceOf = ({ tool_choice }: Run, { rounds }: Reply.Reply) =>
  tool_choice === undefined || (rounds > 0 && tool_choice !== "none") ? {} : { tool_choice }

export type Limits = Moving.Limits & Pick<Settings, "max_files_mb" | "run_seconds">

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

/** Whether the reply's last word is the model's, and not what it was told since. */
const isAnswered = ({ message }: Reply.Reply): boolean => {
  const last = message.content.findLast((block) => block.type !== "tool_result" || block.provider_executed !== true)
  return last?.type !== "tool_result" && last?.type !== "hint" && Reply.unanswered(message).length === 0
}

const repeatable = (tools: ReadonlyArray<Tool>, name: string) =>
  tools.some((tool) => tool.name === name && (tool.idempotent || tool.effect === "none" || tool.effect === "read"))

export const make = Effect.fnUntraced(function*({ max_files_mb, run_seconds, ...limits }: Limits) {
  const models = yield* Models
  const withFiles = yield* FilesIn.make({ max_files_mb })
  const filesOut = yield* FilesOut.make
  const toolbox = yield* Toolbox
  const newId = yield* NewId
  const tasks = yield* BackgroundTasks
  const callTool = Moving.make({ limits, tasks, filesOut, newId })
  const results = TaskResults.make({ tasks, newId })
  const compaction = yield* Compaction.make
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

  /** Answers whether the model has answered; it has not when it refused the context as too long and can be given less. */
  const callModel = Effect.fnUntraced(
    function*(request: ReplyRequest, out: Out, given: Compaction.Given, tools: ReadonlyArray<Tool>) {
      const { agent, run, session } = request
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
      const messages = Compaction.messagesFor(request, given, message)
      const isAnswered = yield* withFiles(session.user_id, messages, (messages) =>
        models.stream({
          owner: session.user_id,
          config,
          fallbacks,
          system: systemOf(agent, run, tools),
          messages,
          tools: [...tools, ...agent.data.client_tools, ...run.tools],
          ...choiceOf(run, out.reply()),
          ...(run.output_schema !== undefined && { output: { schema: run.output_schema } })
        }, (part) => {
          if (part.type === "retry") return void meter.retry()
          if (part.type === "switch") return void meter.switch(part)
          if (part.type === "charged") return void meter.charged(part)
          meter.come()
          if (part.type === "finish") finish = part
          else if (part.type === "data") {
            return outlet.writeFiles([FilesOut.typed(part)], (placed) => placed.forEach(blocks.take)) ?? out.behind()
          } else if (part.type === "tool_result") {
            const files = part.files.map(FilesOut.typed)
            return outlet.writeFiles(files, (files) => blocks.take({ ...part, files })) ?? out.behind()
          } else {
            const stored = outlet.write(() => blocks.take(part))
            if (stored !== undefined) return stored
          }
          return out.behind()
        }), agent.data.context_config.max_image_num).pipe(
          Effect.zipRight(outlet.settled),
          // Nothing that still waits for its file may come out behind the end of the call.
          Effect.onError((cause) => Cause.isInterrupted(cause) ? outlet.stop : outlet.settled),
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
          ),
          Effect.as(true),
          Effect.catchIf(
            ({ type }) => type === "context_length" && !meter.hasCome() && compaction.canShorten(request, out, given),
            () => Effect.succeed(false)
          )
        )
      if (!isAnswered) {
        meter.broke()
        return false
      }
      const made = yield* outlet.settled
      meter.finish(finish)
      if (made.length > 0) {
        // The files are kept once the log names them.
        yield* out.durable
        yield* filesOut.keep(session.id, made)
      }
      return true
    }
  )

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
    function*(request: ReplyRequest, out: Out, given: Compaction.Given, listed: ReadonlyArray<Tool>) {
      const before = Reply.excessOf(out.reply().message)
      if (before !== undefined) return tooLarge(before)
      yield* offload(request, out, listed)
      const system = systemOf(request.agent, request.run, listed)
      const fallbacks = fallbacksOf(request.session, request.agent)
      yield* compaction.ifLong(request, out, given, system, listed, fallbacks)
      // After the wait for a summary: what was said meanwhile is told at once, and so is what tasks have brought.
      steer(out)
      if (results.mayBeThere(request, out, false)) yield* results.tell(request, out)
      const excess = Reply.excessOf(out.reply().message)
      if (excess !== undefined) return tooLarge(excess)
      for (;;) {
        if (yield* callModel(request, out, given, yield* withHistory(request, out, given, listed))) return undefined
        yield* compaction.shorten(request, out, given, system, fallbacks)
      }
    }
  )

  const runTool = Effect.fnUntraced(function*(
    request: ReplyRequest,
    out: Out,
    { call, folder }: Ready,
    budget: ToolCall.Budget,
    background: Tool["background"]
  ) {
    const { agent, session } = request
    const reply_id = out.reply().message.id
    const tool_call_id = call.id
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name: call.name })
    yield* out.durable
    const made: Moving.Made = new Map()
    const state = yield* callTool(request, out, {
      call,
      run: (emit) => toolbox.call({ session, agent, folder }, call, emit),
      emit: (part) => {
        if (part.type === "text") {
          out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.delta })
        } else if (part.type === "state") out.emit(stateUpdated(part.state))
        else if (part.type === "event") out.emit(part.event)
        else Moving.collect(made, part)
      },
      made,
      budget,
      background
    })
    if (state === undefined) return
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

  const ask = (out: Out, call: ToolCallBlock, suggested_rules: ReadonlyArray<PermissionRule>) =>
    out.emit({
      type: "REQUIRE_USER_CONFIRM",
      reply_id: out.reply().message.id,
      tool_calls: [{ ...call, state: "asking", suggested_rules }]
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
    const { permission_context } = request.session.state
    const external = new Map(
      [...request.agent.data.client_tools, ...request.run.tools].map((tool) => [tool.name, tool])
    )
    // Before anything else: nobody is asked about such a call, and no client gets it.
    for (const draft of Reply.refuseCalls(out.reply())) out.emit(draft)
    const run: Array<Ready> = []
    const outside: Array<ToolCallBlock> = []
    for (const call of Reply.unanswered(out.reply().message)) {
      if (call.state === "submitted") continue
      if (call.state === "finished") {
        deny(out, call, "The user did not allow this call.")
        continue
      }
      const effect = external.get(call.name)?.effect ?? (yield* toolbox.effectOf(request, call))
      // A long command takes a while to judge, and there may be many. Nothing is decided before the wait and acted on behind it.
      if (call.input.length > longInput) yield* nextTurn
      // The call is run in the folder that it is decided on for, whatever other calls change meanwhile.
      const folder = external.has(call.name) ? undefined : yield* toolbox.folderOf(request, call)
      const verdict = decide(
        permission_context,
        { name: call.name, input: call.input, effect, own: !external.has(call.name) },
        { confirmed: call.state === "allowed", ...folder }
      )
      // Permission was asked for already; but a rule that came with another answer may allow the call now.
      if (call.state === "asking" && verdict.decision !== "allow") continue
      if (verdict.decision === "deny") deny(out, call, verdict.why)
      else if (verdict.decision === "ask") ask(out, call, verdict.suggested_rules)
      else if (external.has(call.name)) outside.push(call)
      else run.push({ call, folder })
    }
    submit(out, outside)
    const budget = { left: Reply.roomIn(out.reply().message) }
    const timeOf = (name: string) => tools.find((tool) => tool.name === name)?.background
    yield* Effect.forEach(run, (ready) => runTool(request, out, ready, budget, timeOf(ready.call.name)), {
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
    if (reply.call !== undefined) {
      for (const draft of Reply.closeOpen(reply)) out.emit(draft)
      const notRun = "The tool was not run: the model call that asked for it was cut off."
      for (const draft of Reply.interruptCalls(out.reply(), notRun)) out.emit(draft)
      return undefined
    }
    // A crash may have come while these were refused: they had not begun to run.
    for (const draft of Reply.refuseCalls(reply)) out.emit(draft)
    const { message } = out.reply()
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
      return yield* compactRun(request, out, fallbacksOf(request.session, request.agent))
    }
    const listed = yield* toolbox.list(request)
    const given = Compaction.begin(request)
    const maxIters = request.agent.data.react_config.max_iters
    const before = out.reply()
    if (before.rounds > 0 || before.call !== undefined) {
      const called = before.call !== undefined || !isAnswered(before)
      const parked = called ? yield* pickUp(request, out, listed) : undefined
      if (parked !== undefined) return parked
      const ending = before.call === undefined ? yield* conclude(request, out, called) : undefined
      if (ending !== undefined) return ending
    }
    let isFirst = true
    while (out.reply().rounds < maxIters) {
      steer(out)
      if (results.mayBeThere(request, out, isFirst)) yield* results.tell(request, out)
      if (isFirst && TaskResults.isVoid(request, out)) return TaskResults.nothingToTell
      isFirst = false
      const excess = yield* answer(request, out, given, listed)
      if (excess !== undefined) return excess
      const called = Reply.unanswered(out.reply().message).length > 0
      const parked = called ? yield* runTools(request, out, listed) : undefined
      if (parked !== undefined) return parked
      const ending = yield* conclude(request, out, called)
      if (ending === undefined) continue
      const goesOn = ending.error === null && out.reply().rounds < maxIters && results.hasMore(request, out)
      if (!goesOn) return ending
    }
    out.emit({ type: "EXCEED_MAX_ITERS", reply_id: out.reply().message.id, name: request.agent.data.name })
    return exceeded(out.reply())
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

export const layer = (
  limits: Limits = defaults
): Layer.Layer<AgentRunner, never, BackgroundTasks | Files | Models | Toolbox | Workspace> =>
  Layer.effect(AgentRunner, make(limits))
