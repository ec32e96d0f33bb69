/** The tools that every agent has. A new one is a file beside this and a name in `builtIn`. */
import { Cause, Effect, Exit, Layer } from "effect"
import { Toolbox } from "../../services/Toolbox.ts"
import { type BuiltInTool, ToolFailed } from "./BuiltInTool.ts"
import { calculate } from "./Calculate.ts"
import { currentTime } from "./CurrentTime.ts"
import { pause } from "./Pause.ts"

export const builtIn: ReadonlyArray<BuiltInTool> = [currentTime, calculate, pause]

/** Bugs included: the model reads what went wrong, without a stack. */
const textOfCause = (cause: Cause.Cause<unknown>) => {
  const error = Cause.squash(cause)
  return error instanceof Error && error.message !== "" ? error.message : String(error)
}

export const make = (tools: ReadonlyArray<BuiltInTool>) => {
  const byName = new Map(tools.map((entry) => [entry.tool.name, entry]))
  const list = Effect.succeed(tools.map(({ tool }) => tool))
  return Toolbox.of({
    list: () => list,
    call: Effect.fn("Toolbox.call")(function*(caller, { input, name }, emit) {
      const entry = byName.get(name)
      const exit = entry === undefined
        ? Exit.fail(new ToolFailed({ message: `ToolNotFoundError: The tool named '${name}' doesn't exist.` }))
        : yield* Effect.exit(Effect.suspend(() => entry.run(input, caller)))
      if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return yield* Effect.interrupt
      const delta = Exit.match(exit, { onFailure: textOfCause, onSuccess: (text) => text })
      if (delta !== "") emit({ type: "text", delta })
      return Exit.isSuccess(exit) ? "success" : "error"
    })
  })
}

export const layer: Layer.Layer<Toolbox> = Layer.succeed(Toolbox, make(builtIn))
