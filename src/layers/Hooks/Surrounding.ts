/** Calls of models and tools within the hooks around them, and what hooks are told of them then. */
import { Effect, Either, Exit } from "effect"
import { Unavailable } from "../../domain/Errors.ts"
import { complain, failed, type Problem } from "../../services/HookCall.ts"
import type {
  Hook,
  Hooking,
  HookRefused,
  ModelSaid,
  ToolCall,
  ToolResult,
  ToolSaid,
  ToolState
} from "../../services/Hooks.ts"
import { monotonic } from "../../services/Now.ts"
import type { ToolPart } from "../../services/Toolbox.ts"
import * as Answers from "./Answers.ts"
import * as Around from "./Around.ts"
import { isHarmless, refusedBy } from "./Asking.ts"

/** Most characters of a tool's text that hooks are told of, and that is held back for a hook around the tool. */
const maxTold = 64 * 1024
const maxHeld = 2 * 1024 * 1024

type Emit = (part: ToolPart) => void
type Run = (emit: Emit) => Effect.Effect<ToolState>

/** The beginning of a tool's text. */
const listening = (emit: Emit, most: number) => {
  let text = ""
  return {
    text: () => text,
    take: (part: ToolPart) => {
      if (part.type === "text" && text.length < most) text += part.delta.slice(0, most - text.length)
      emit(part)
    }
  }
}

/** Holds a tool's text back; everything else goes on. */
const holding = (emit: Emit) => {
  let text = ""
  return {
    text: () => text,
    take: (part: ToolPart) => {
      if (part.type !== "text") emit(part)
      else if (text.length < maxHeld) text += part.delta.slice(0, maxHeld - text.length)
    }
  }
}

/** A hook has to go on to the model: nothing else could answer in its place. */
const passedBy = (hook: Hook): Effect.Effect<Problem> =>
  Effect.as(complain(hook, "A hook has not gone on to the call that it stands around"), failed)

export const make = (
  hooks: ReadonlyArray<Hook>,
  tell: Hooking["tell"]
): Pick<Hooking, "aroundModel" | "aroundTool"> => {
  const aroundOneModel = <E>(
    hook: Hook,
    call: Parameters<Hooking["aroundModel"]>[0],
    inner: Effect.Effect<void, E | HookRefused>,
    saidOf: () => ModelSaid
  ): Effect.Effect<void, E | HookRefused> => {
    const ask = hook["model.around"]
    if (ask === undefined) return inner
    return Effect.gen(function*() {
      const { answered, made } = yield* Around.stand(hook, (next, signal) => ask(call, next, signal), inner, saidOf)
      const problem = Either.isLeft(answered) ? answered.left : made === undefined ? yield* passedBy(hook) : undefined
      if (made !== undefined) {
        // What the model has said cannot be taken back for a hook that broke behind it, but refused it can be.
        return Exit.isFailure(made) || problem === undefined || problem instanceof Unavailable
          ? yield* made
          : yield* refusedBy(problem, "the answer was not used")
      }
      if (problem !== undefined && !isHarmless(hook, problem)) {
        return yield* refusedBy(problem, "the model was not called")
      }
      return yield* inner
    })
  }

  const aroundOneTool = (hook: Hook, call: ToolCall, inner: Run, saidOf: (text: string) => ToolSaid): Run => {
    const ask = hook["tool.around"]
    if (ask === undefined) return inner
    return (emit) =>
      Effect.gen(function*() {
        const held = holding(emit)
        const { answered, made } = yield* Around.stand<ToolState, never, ToolSaid, ToolResult | void>(
          hook,
          (next, signal) => ask(call, next, signal),
          inner(held.take),
          () => saidOf(held.text())
        )
        const say = (delta: string, state: ToolState) => {
          if (delta !== "") emit({ type: "text", delta })
          return state
        }
        const given = Either.isRight(answered) && answered.right != null ? Answers.ofResult(answered.right) : undefined
        if (typeof given === "object") {
          const state = given.state ?? (made === undefined ? "success" : yield* made)
          return say(given.output, state)
        }
        if (typeof given === "string") yield* complain(hook, `A hook has answered with ${given}`)
        const problem = Either.isLeft(answered)
          ? answered.left
          : given !== undefined
          ? failed
          : made === undefined
          ? yield* passedBy(hook)
          : undefined
        if (problem === undefined || isHarmless(hook, problem)) {
          return made === undefined ? yield* inner(emit) : say(held.text(), yield* made)
        }
        // A required hook may be there to take something out of what the tool has said.
        return made === undefined
          ? say(refusedBy(problem, "the tool was not run").message, "denied")
          : say(refusedBy(problem, "the tool's output is not shown").message, "error")
      })
  }

  return {
    aroundModel: (call, make, endOf) =>
      Effect.clockWith((clock) => {
        const { messages: _, system: __, tools: ___, ...about } = call
        const since = monotonic(clock)
        let said: ModelSaid = { ...about, outcome: "interrupted", usage: null, millis: 0 }
        const told = Effect.onExit(make, (exit) => {
          const failure = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : undefined
          const end = Exit.isSuccess(exit) || failure !== undefined
            ? endOf(failure)
            : { outcome: Exit.isInterrupted(exit) ? "interrupted" : "internal", usage: null }
          said = { ...about, ...end, millis: Math.round(monotonic(clock) - since) }
          return tell("model.after", said)
        })
        return hooks.reduceRight<Effect.Effect<void, HookRefused | Effect.Effect.Error<typeof make>>>(
          (inner, hook) => aroundOneModel(hook, call, inner, () => said),
          told
        )
      }),
    aroundTool: (call, run, emit) =>
      Effect.clockWith((clock) => {
        const { confirmed: _, runs: __, ...about } = call
        const since = monotonic(clock)
        let state: ToolSaid["state"] = "interrupted"
        let isTold = false
        const saidOf = (output: string): ToolSaid => ({
          ...about,
          state,
          output,
          millis: Math.round(monotonic(clock) - since)
        })
        const telling = (made: Run): Run => (emit) => {
          const heard = listening(emit, maxTold)
          return Effect.onExit(Effect.suspend(() => made(heard.take)), (exit) => {
            if (isTold) return Effect.void
            isTold = true
            state = Exit.isSuccess(exit) ? exit.value : Exit.isInterrupted(exit) ? "interrupted" : "error"
            return tell("tool.after", saidOf(heard.text()))
          })
        }
        // The outer one tells of a call that a hook has answered in the tool's place: the tool was never run then.
        return telling(
          hooks.reduceRight<Run>((inner, hook) => aroundOneTool(hook, call, inner, saidOf), telling(run))
        )(emit)
      })
  }
}
