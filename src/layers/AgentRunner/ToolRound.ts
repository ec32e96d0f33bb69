/** The tool calls that a model asked for: which may run, which are asked about, and which somebody else runs. */
import { Effect } from "effect"
import { stateUpdated } from "../../domain/CustomEvents.ts"
import type { FileHash } from "../../domain/File.ts"
import type { BlockId } from "../../domain/Ids.ts"
import type { ToolCallBlock } from "../../domain/Message.ts"
import { isOfStep } from "../../domain/MessageText.ts"
import * as OpenCalls from "../../domain/OpenCalls.ts"
import type { PermissionRule } from "../../domain/Permission.ts"
import { decide } from "../../domain/permission/Decide.ts"
import * as Reply from "../../domain/Reply.ts"
import { closeBelow, closeOrphans } from "../../domain/StepCalls.ts"
import type { Workflow } from "../../domain/Workflow.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { AppendRefused } from "../../services/EventLog.ts"
import { NewId } from "../../services/NewId.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import { type Tool, Toolbox, type WorkingFolder } from "../../services/Toolbox.ts"
import * as FilesOut from "./FilesOut.ts"
import * as HookedTool from "./HookedTool.ts"
import * as Moving from "./Moving.ts"
import * as Workflows from "./Workflows.ts"

/** Tool calls of one round that run at the same time. */
const toolConcurrency = 8

/** Arguments of more characters than these are judged in a turn of their own. */
const longInput = 1024

const notGiven = "The tool was not run: a hook of this server has taken it away for this call of the model."

/** A call that may run, and the folder that it was decided on for. */
interface Ready {
  readonly call: ToolCallBlock
  readonly folder: WorkingFolder | undefined
  /** What the call runs, where that is the steps of a skill. */
  readonly workflow: Workflow | undefined
}

/** Calls that are decided on together: those of the model, or those of a workflow's step. */
interface Calls {
  readonly calls: ReadonlyArray<ToolCallBlock>
  readonly isStep: boolean
  readonly workflowOf: (name: string) => Workflow | undefined
  /** After how many seconds a call of this tool goes on in the background. */
  readonly backgroundOf: (name: string) => Tool["background"]
}

export const make = Effect.fnUntraced(function*(
  limits: Moving.Limits,
  filesOut: Effect.Effect.Success<typeof FilesOut.make>
) {
  const toolbox = yield* Toolbox
  const hooked = yield* HookedTool.make
  const runWorkflow = yield* Workflows.make
  const callTool = Moving.make({ limits, tasks: yield* BackgroundTasks, filesOut, newId: yield* NewId })

  const runTool = Effect.fnUntraced(function*(
    { budget, out, request }: Workflows.Round,
    { call, folder }: Ready,
    { backgroundOf, isStep }: Calls
  ) {
    const { agent, session } = request
    const reply_id = out.reply().message.id
    const tool_call_id = call.id
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name: call.name, ...Reply.markOf(call) })
    yield* out.durable
    const made: Moving.Made = new Map()
    const state = yield* callTool(request, out, {
      call,
      run: (emit) =>
        hooked.around(
          request,
          call,
          (emit) => toolbox.call({ session, agent, folder, step: isStep, run: request.run }, call, emit),
          emit
        ),
      emit: (part) => {
        if (part.type === "text") {
          out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.delta })
        } else if (part.type === "state") out.emit(stateUpdated(part.state))
        else if (part.type === "event") out.emit(part.event)
        else Moving.collect(made, part)
      },
      made,
      budget,
      background: backgroundOf(call.name)
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

  const deny = (out: Out, call: ToolCallBlock, why: string) => {
    const { id: tool_call_id, name: tool_call_name } = call
    const reply_id = out.reply().message.id
    // A workflow that a person is asked about in the middle is decided on again when the answer has come.
    for (const draft of closeBelow(out.reply().message, tool_call_id)) out.emit(draft)
    out.emit({ type: "TOOL_RESULT_START", reply_id, tool_call_id, tool_call_name, ...Reply.markOf(call) })
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

  /** Decides on the calls, and runs those that may run now. A workflow does the same with the calls of its steps. */
  const runCalls = (round: Workflows.Round, of: Calls): Effect.Effect<void, AppendRefused> =>
    Effect.gen(function*() {
      const { out, request } = round
      const { permission_context } = request.session.state
      const external = new Map(
        of.isStep ? [] : [...request.agent.data.client_tools, ...request.run.tools].map((tool) => [tool.name, tool])
      )
      const caller = { ...request, step: of.isStep }
      const verdicts = yield* hooked.before(request, of.calls, (name) => external.has(name))
      const ids = new Set<string>(of.calls.map(({ id }) => id))
      const run: Array<Ready> = []
      const outside: Array<ToolCallBlock> = []
      for (const made of OpenCalls.unanswered(out.reply().message).filter(({ id }) => ids.has(id))) {
        const { call, said } = HookedTool.changed(made, verdicts.get(made.id))
        if (call.state === "submitted") continue
        if (call.state === "finished") {
          deny(out, call, "The user did not allow this call.")
          continue
        }
        const effect = external.get(call.name)?.effect ?? (yield* toolbox.effectOf(caller, call))
        // A long command takes a while to judge, and there may be many. Nothing is decided before the wait and acted on behind it.
        if (call.input.length > longInput) yield* nextTurn
        // The call is run in the folder that it is decided on for, whatever other calls change meanwhile.
        const folder = external.has(call.name) ? undefined : yield* toolbox.folderOf(caller, call)
        // What a person has allowed is the call as it was then.
        const confirmed = call.state === "allowed" && call.input === made.input
        const verdict = HookedTool.stricter(
          decide(
            permission_context,
            { name: call.name, input: call.input, effect, own: !external.has(call.name) },
            { confirmed, ...folder }
          ),
          said,
          { confirmed, mode: permission_context.mode, name: call.name }
        )
        // Permission was asked for already; but a rule that came with another answer may allow the call now.
        if (call.state === "asking" && verdict.decision !== "allow") continue
        if (call.input !== made.input) {
          const value = { reply_id: out.reply().id, tool_call_id: call.id, input: call.input }
          out.emit({ type: "CUSTOM", name: "tool_call_changed", value })
        }
        if (verdict.decision === "deny") deny(out, call, verdict.why)
        else if (verdict.decision === "ask") ask(out, call, verdict.suggested_rules)
        else if (external.has(call.name)) outside.push(call)
        else run.push({ call, folder, workflow: of.workflowOf(call.name) })
      }
      submit(out, outside)
      yield* Effect.forEach(
        run,
        (ready): Effect.Effect<void, AppendRefused> =>
          ready.workflow === undefined ? runTool(round, ready, of) : runSteps(round, ready.call, ready.workflow),
        { concurrency: toolConcurrency, discard: true }
      )
    })

  const runSteps = (round: Workflows.Round, call: ToolCallBlock, workflow: Workflow) =>
    runWorkflow(round, call, workflow, (calls) =>
      runCalls(round, {
        calls,
        isStep: true,
        workflowOf: (name) => workflow.inner.get(name),
        // The next step needs the result.
        backgroundOf: () => false
      }))

  /**
   * Runs the calls that may run, asks about those that need it, and says what is waited for then. `withheld` are tools
   * that the model was not given: it knows them from before, or has made them up.
   */
  return Effect.fnUntraced(function*(
    request: ReplyRequest,
    out: Out,
    tools: ReadonlyArray<Tool>,
    withheld: ReadonlySet<string>
  ) {
    // Before anything else: nobody is asked about such a call, and no client gets it.
    for (const draft of Reply.refuseCalls(out.reply())) out.emit(draft)
    for (const draft of closeOrphans(out.reply().message)) out.emit(draft)
    for (const call of OpenCalls.unanswered(out.reply().message)) {
      if (call.state === "pending" && withheld.has(call.name) && !isOfStep(call)) deny(out, call, notGiven)
    }
    const { message } = out.reply()
    const toolOf = (name: string) => tools.find((tool) => tool.name === name)
    yield* runCalls(
      { request, out, budget: { left: Reply.roomIn(message) }, prompts: yield* Effect.makeSemaphore(1) },
      {
        // The calls of steps are their workflows' to run.
        calls: OpenCalls.unanswered(message).filter((call) => !isOfStep(call)),
        isStep: false,
        workflowOf: (name) => toolOf(name)?.workflow,
        backgroundOf: (name) => toolOf(name)?.background
      }
    )
    yield* out.durable
    const [first] = OpenCalls.awaited(out.reply().message)
    return first === undefined
      ? undefined
      : { waiting_for: first.state === "asking" ? "user_confirmation" as const : "external_execution" as const }
  })
})
