/** Asks hooks before something is done, one after the other. */
import { Effect } from "effect"
import { Invalid, Unavailable } from "../../domain/Errors.ts"
import * as RunChange from "../../domain/RunChange.ts"
import { asking, malformed, patience, type Problem, reading } from "../../services/HookCall.ts"
import {
  type Hook,
  type Hooking,
  HookRefused,
  type Points,
  type ToolCall,
  type ToolVerdict
} from "../../services/Hooks.ts"
import * as Answers from "./Answers.ts"

/** Whether it is the hook that has failed, and the operator lets that harm nothing. */
export const isHarmless = (hook: Hook, problem: Problem): boolean =>
  problem instanceof Unavailable && hook.required !== true

/** What somebody is told of a problem: a refusal in the hook's own words, a failure in ours. */
export const refusedBy = (problem: Problem, what: string): HookRefused => {
  if (!(problem instanceof Unavailable)) return new HookRefused({ code: "hook_refused", message: problem.detail })
  return problem.code === "hook_timeout"
    ? new HookRefused({
      code: "hook_timeout",
      message: `A hook of this server did not answer in time, so ${what}.`
    })
    : new HookRefused({ code: "hook_failed", message: `A hook of this server broke, so ${what}.` })
}

/** What a hook's answer makes of what was there before; that, where the hook says nothing or does no harm by failing. */
const next = <A>(
  hook: Hook,
  before: A,
  ask: (signal: AbortSignal) => ReturnType<
    NonNullable<Points["run.before" | "model.before" | "tool.before" | "server.start"]>
  >,
  read: (answer: unknown) => A | string
): Effect.Effect<A, Problem> =>
  reading(
    hook,
    Effect.flatMap(
      // Its form is looked at below, whatever its type says.
      asking<unknown>(hook, patience, ask),
      (answer): Effect.Effect<A, Problem> => {
        if (answer === undefined || answer === null) return Effect.succeed(before)
        const refusal = Answers.refusalIn(answer)
        if (refusal !== undefined) return Effect.fail(new Invalid({ code: "hook_refused", detail: refusal }))
        const after = read(answer)
        return typeof after === "string" ? malformed(hook, after) : Effect.succeed(after)
      }
    )
  ).pipe(Effect.catchAll((problem) => isHarmless(hook, problem) ? Effect.succeed(before) : Effect.fail(problem)))

type Verdict = readonly [ToolCall, ToolVerdict]

const noVerdict: ToolVerdict = { input: undefined, decision: undefined, why: "" }

export const make = (
  hooks: ReadonlyArray<Hook>
): Pick<Hooking, "beforeModel" | "beforeRun" | "beforeTool" | "start"> => ({
  beforeRun: (run) =>
    Effect.reduce(hooks, run, (before, hook) => {
      const ask = hook["run.before"]
      return ask === undefined ? Effect.succeed(before) : next(
        hook,
        before,
        (signal) => ask(before, signal),
        (answer) => RunChange.changed(before, answer as RunChange.RunChange)
      )
    }),
  beforeModel: (call) =>
    Effect.mapError(
      Effect.reduce(hooks, call, (before, hook) => {
        const ask = hook["model.before"]
        return ask === undefined ? Effect.succeed(before) : next(
          hook,
          before,
          (signal) => ask(before, signal),
          (answer) => Answers.ofModel(before, answer)
        )
      }),
      (problem) => refusedBy(problem, "the model was not called")
    ),
  beforeTool: (call) =>
    Effect.reduce(hooks, [call, noVerdict] as Verdict, (before, hook) => {
      const ask = hook["tool.before"]
      const [asked, { decision }] = before
      // Nothing makes a denied call better.
      if (ask === undefined || decision === "deny") return Effect.succeed(before)
      return Effect.catchAll(
        next(hook, before, (signal) => ask(asked, signal), (answer) => Answers.ofTool(before, answer)),
        (problem) => {
          const why = refusedBy(problem, "the tool was not run").message
          return Effect.succeed<Verdict>([asked, { ...before[1], decision: "deny", why }])
        }
      )
    }).pipe(Effect.map(([, verdict]) => verdict)),
  start: (server) =>
    Effect.forEach(hooks, (hook) => {
      const ask = hook["server.start"]
      return ask === undefined ? Effect.void : Effect.mapError(
        // What else it answers is of no use to anybody.
        next(hook, undefined, (signal) => ask(server, signal), () => undefined),
        (problem) => refusedBy(problem, "the server does not start")
      )
    }, { discard: true })
})
