/** A call of the model as the hooks of the server want it. Without hooks it is made as it is. */
import { Effect } from "effect"
import type { Message } from "../../domain/Message.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import type { Usage } from "../../domain/Usage.ts"
import type { ReplyRequest } from "../../services/AgentRunner.ts"
import { type HookRefused, Hooks, type ModelCall, ofRun } from "../../services/Hooks.ts"
import type { ModelFailed } from "../../services/Models.ts"

interface Given<T> {
  readonly messages: ReadonlyArray<Message>
  readonly system: string
  readonly tools: ReadonlyArray<T>
}

/** What the call is given, and the call within the hooks around it; `usageOf` is asked when the answer is whole. */
export interface Hooked<T> extends Given<T> {
  /** The names of the tools that a hook has taken away. */
  readonly withheld: ReadonlyArray<string>
  readonly around: <E extends HookRefused | ModelFailed>(
    making: Effect.Effect<void, E>,
    usageOf: () => Usage
  ) => Effect.Effect<void, E | HookRefused>
}

/** What is written down of a failure: the kind of a model's, or what a hook has done. */
export const kindOf = (error: HookRefused | ModelFailed): string =>
  error._tag === "ModelFailed" ? error.type : error.code

export const make = Effect.map(Hooks, (hooks) => {
  const isNeeded = hooks.has("model.before") || hooks.has("model.around") || hooks.has("model.after")

  return <T extends { readonly name: string }>(
    { run }: Pick<ReplyRequest, "run">,
    { model, type }: ChatModelConfig,
    purpose: ModelCall["purpose"],
    given: Given<T>
  ): Effect.Effect<Hooked<T>, HookRefused> => {
    if (!isNeeded) return Effect.succeed({ ...given, withheld: [], around: (making) => making })
    const { messages, system } = given
    const tools = given.tools.map(({ name }) => name)
    return Effect.map(
      hooks.beforeModel({ ...ofRun(run), purpose, provider: type, model, messages, system, tools }),
      (call) => ({
        messages: call.messages,
        system: call.system,
        tools: given.tools.filter(({ name }) => call.tools.includes(name)),
        withheld: tools.filter((name) => !call.tools.includes(name)),
        around: (making, usageOf) =>
          hooks.aroundModel(call, making, (failure) =>
            failure === undefined
              ? { outcome: "completed", usage: usageOf() }
              : { outcome: kindOf(failure), usage: null })
      })
    )
  }
})
