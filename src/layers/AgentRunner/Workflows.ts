/**
 * Runs workflows: the steps of a skill, one after the other. Each step is a call of its own in the log, with its result, so
 * that a run that goes on after a crash or an answer finds there what has been done, and does the rest.
 */
import { Duration, Effect } from "effect"
import type { SkillStep } from "../../domain/Definition.ts"
import type { ToolCallId, UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import type { ToolCallBlock } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import { argumentsIn } from "../../domain/permission/Arguments.ts"
import { markOf } from "../../domain/Reply.ts"
import { callsOfStep, closeBelow, countIn, maxStepCalls, resultOf } from "../../domain/StepCalls.ts"
import {
  callsOf,
  isTooDeep,
  maxArguments,
  outputOf,
  promptName,
  resolve,
  type Scope,
  type Workflow
} from "../../domain/Workflow.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import { NewId } from "../../services/NewId.ts"
import { checkOne } from "./Output.ts"
import * as PromptStep from "./PromptStep.ts"
import { bounded, type Budget, type State } from "./ToolCall.ts"

/** Characters of what each finished step has brought, where a workflow tells of them because it has stopped. */
const maxTold = 2_000

const inputIn = ({ input }: ToolCallBlock): JsonObject | undefined => {
  const value = input.length > maxArguments ? undefined : argumentsIn(input)
  return isObject(value) ? value : undefined
}

/** What all calls of one round share. */
export interface Round {
  readonly request: ReplyRequest
  readonly out: Out
  readonly budget: Budget
  /** One prompt is asked at a time: a reply has one call of a model. */
  readonly prompts: Effect.Semaphore
}

/** Runs the calls of a step as far as they may run now. Some may wait for a person then. */
type RunCalls<E> = (calls: ReadonlyArray<ToolCallBlock>) => Effect.Effect<void, E>

interface Stopped {
  readonly state: State
  readonly text: string
}

const failed = (text: string): Stopped => ({ state: "error", text })

const problemWith = (
  owner: UserId,
  schema: JsonObject,
  input: JsonObject | undefined
): Effect.Effect<string | undefined> => {
  if (input === undefined) return Effect.succeed("the arguments are no JSON object")
  if (isTooDeep(input)) return Effect.succeed("the arguments nest too deep")
  return checkOne(owner, schema, JSON.stringify(input), { value: input }).pipe(
    Effect.map((checked) =>
      "value" in checked ? undefined : checked.problems.join(" ").replaceAll("In the answer:", "In the arguments:")
    ),
    Effect.catchTag("CheckTooExpensive", () => Effect.succeed("they could not be checked in the time for it"))
  )
}

export const make = Effect.gen(function*() {
  const newId = yield* NewId
  const ask = yield* PromptStep.make

  /** Puts the calls of a step into the log that are not there yet, or not whole. Answers why it cannot. */
  const place = ({ budget, out }: Round, parent: ToolCallBlock, step: SkillStep, scope: Scope): string | undefined => {
    const { message, open } = out.reply()
    const there = callsOfStep(message, parent.id, step.name)
    const wanted = callsOf(step)
    if (there.length >= wanted.length && there.every(({ input }) => input !== "")) return undefined
    if (countIn(message) + wanted.length - there.length > maxStepCalls) {
      return `A reply has at most ${maxStepCalls} calls of steps.`
    }
    const all = wanted.map(({ input }) => resolve(input, scope))
    for (const one of all) if ("problem" in one) return one.problem
    const size = all.reduce((sum, one) => sum + ("json" in one ? one.json.length : 0), 0)
    if (size > budget.left) return "The reply has no room for its arguments."
    budget.left -= size
    const reply_id = message.id
    for (const [i, { name: tool_call_name }] of wanted.entries()) {
      const known = there[i]
      const tool_call_id = known?.id ?? (newId.short() as string as ToolCallId)
      const one = all[i]!
      if (known === undefined) {
        const of = { parent_tool_call_id: parent.id, step: step.name }
        out.emit({ type: "TOOL_CALL_START", reply_id, tool_call_id, tool_call_name, ...of })
      }
      if ((known?.input ?? "") === "" && "json" in one) {
        out.emit({ type: "TOOL_CALL_DELTA", reply_id, tool_call_id, delta: one.json })
      }
      if (known === undefined || open.has(`TOOL_CALL ${tool_call_id}`)) {
        out.emit({ type: "TOOL_CALL_END", reply_id, tool_call_id })
      }
    }
    return undefined
  }

  const prompt = Effect.fnUntraced(function*({ out, prompts, request }: Round, step: SkillStep, call: ToolCallBlock) {
    const reply_id = out.reply().id
    const tool_call_id = call.id
    const begun = resultOf(out.reply().message, tool_call_id)
    // A crash may have come between the answer and the end of the result: it is not asked for again.
    const { state, text } = begun !== undefined && textOf(begun.output) !== ""
      ? { state: "success" as const, text: "" }
      : yield* prompts.withPermits(1)(ask(request, out, step, call))
    out.emit({
      type: "TOOL_RESULT_START",
      reply_id,
      tool_call_id,
      tool_call_name: promptName,
      ...markOf(call)
    })
    if (text !== "") out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: text })
    out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state })
  })

  /** Does a step, or what is missing of it. Undefined when it waits for a person. */
  const doStep = <E>(
    round: Round,
    parent: ToolCallBlock,
    step: SkillStep,
    scope: Scope,
    runCalls: RunCalls<E>
  ): Effect.Effect<{ readonly output: unknown; readonly why: string | undefined } | undefined, E> =>
    Effect.gen(function*() {
      const { out } = round
      const refused = place(round, parent, step, scope)
      if (refused !== undefined) return { output: { error: refused }, why: refused }
      const calls = () => callsOfStep(out.reply().message, parent.id, step.name)
      const open = calls().filter(({ id }) => (resultOf(out.reply().message, id)?.state ?? "running") === "running")
      if (open.length > 0) {
        yield* step.prompt === undefined
          ? runCalls(open)
          : Effect.forEach(open, (call) => prompt(round, step, call), { discard: true })
      }
      const { message } = out.reply()
      const results = calls().map(({ id }) => resultOf(message, id))
      if (results.some((result) => result === undefined || result.state === "running")) return undefined
      let why: string | undefined
      const outputs = results.map((result) => {
        const text = textOf(result?.output ?? "")
        if (result?.state === "success") return outputOf(text)
        why ??= text
        return { error: text }
      })
      return { output: step.tools === undefined ? outputs[0] : outputs, why }
    })

  const told = (outputs: ReadonlyMap<string, unknown>): string =>
    outputs.size === 0 ? "" : [
      "\nWhat the steps before have brought:",
      ...[...outputs].map(([name, output]) => `- ${name}: ${shown(output).slice(0, maxTold)}`)
    ].join("\n")

  /** Undefined when a step waits for a person. */
  const steps = <E>(
    round: Round,
    call: ToolCallBlock,
    { id, input: schema, steps }: Workflow,
    outputs: Map<string, unknown>,
    runCalls: RunCalls<E>
  ): Effect.Effect<Stopped | undefined, E> =>
    Effect.gen(function*() {
      const input = inputIn(call)
      const problem = yield* problemWith(round.request.session.user_id, schema, input)
      if (problem !== undefined) return failed(`Input validation failed for tool '${id}': ${problem}`)
      const scope: Scope = { input: input ?? {}, outputs }
      let last: unknown = ""
      for (const step of steps) {
        const done = yield* doStep(round, call, step, scope, runCalls)
        if (done === undefined) return undefined
        if (done.why !== undefined && step.on_error === "stop") {
          return failed(`The workflow has stopped at its step ${step.name}: ${done.why}${told(outputs)}`)
        }
        last = done.output
        outputs.set(step.name, last)
      }
      return { state: "success" as const, text: shown(last) }
    })

  const end = ({ budget, out }: Round, { id: tool_call_id }: ToolCallBlock, { state, text }: Stopped) => {
    const reply_id = out.reply().id
    for (const draft of closeBelow(out.reply().message, tool_call_id)) out.emit(draft)
    const begun = resultOf(out.reply().message, tool_call_id)
    // A crash may have come between the two events: what was said then is not said again.
    if (begun === undefined || textOf(begun.output) === "") {
      const output = bounded((part) => {
        if (part.type === "text") {
          out.emit({ type: "TOOL_RESULT_TEXT_DELTA", reply_id, tool_call_id, delta: part.delta })
        }
      }, budget)
      if (text !== "") output.take({ type: "text", delta: text })
      output.close()
    }
    out.emit({ type: "TOOL_RESULT_END", reply_id, tool_call_id, state })
  }

  /** Does the workflow, or what is missing of it. Its call has no result when this returns and a step waits for a person. */
  return <E>(
    round: Round,
    call: ToolCallBlock,
    workflow: Workflow,
    runCalls: RunCalls<E>
  ): Effect.Effect<void, E> =>
    Effect.gen(function*() {
      const { out } = round
      if (resultOf(out.reply().message, call.id) === undefined) {
        out.emit({
          type: "TOOL_RESULT_START",
          reply_id: out.reply().id,
          tool_call_id: call.id,
          tool_call_name: call.name,
          ...markOf(call)
        })
      }
      const outputs = new Map<string, unknown>()
      const { timeout_seconds } = workflow
      const stopped = yield* Effect.timeoutTo(steps(round, call, workflow, outputs, runCalls), {
        duration: Duration.seconds(timeout_seconds),
        onSuccess: (stopped) => stopped,
        onTimeout: () => failed(`The workflow did not end within ${timeout_seconds} seconds.${told(outputs)}`)
      })
      if (stopped !== undefined) end(round, call, stopped)
    })
})

const shown = (output: unknown): string => typeof output === "string" ? output : JSON.stringify(output)
