/** The tools that every agent has, and those that a user's own program adds. A new built-in tool is a file beside this one and a name in `builtIn`. */
import { Cause, Effect, Exit, Layer, Option, type Scope } from "effect"
import { Toolbox } from "../../services/Toolbox.ts"
import { type BuiltInTool, ToolFailed, type ToolSource } from "./BuiltInTool.ts"
import { calculate } from "./Calculate.ts"
import { currentTime } from "./CurrentTime.ts"
import { pause } from "./Pause.ts"

export const builtIn: ReadonlyArray<BuiltInTool> = [currentTime, calculate, pause]

/** The model and the tenant read this when a tool has a bug, because the bug's own text may hold secrets. */
const bug = "The tool failed because of an internal error."

/** The tool's own message to the model about its failure. Undefined for a bug. */
const messageOf = (cause: Cause.Cause<ToolFailed>) =>
  Option.map(Cause.failureOption(cause), ({ message }) => message).pipe(Option.getOrUndefined)

export const make = (tools: ReadonlyArray<BuiltInTool>) => {
  const byName = new Map(tools.map((entry) => [entry.tool.name, entry]))
  const list = Effect.succeed(tools.map(({ tool }) => tool))
  return Toolbox.of({
    names: new Set(byName.keys()),
    list: () => list,
    call: Effect.fn("Toolbox.call")(function*(caller, { input, name }, emit) {
      const entry = byName.get(name)
      const exit = entry === undefined
        ? Exit.fail(new ToolFailed({ message: `ToolNotFoundError: The tool named '${name}' doesn't exist.` }))
        : yield* Effect.exit(Effect.suspend(() => entry.run(input, caller)))
      if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return yield* Effect.interrupt
      const message = Exit.isSuccess(exit) ? exit.value : messageOf(exit.cause)
      if (message === undefined && Exit.isFailure(exit)) {
        yield* Effect.annotateLogs(Effect.logError("A tool has a bug", exit.cause), { tool: name })
      }
      const delta = message ?? bug
      if (delta !== "") emit({ type: "text", delta })
      return Exit.isSuccess(exit) ? "success" : "error"
    })
  })
}

export const layer: Layer.Layer<Toolbox> = Layer.succeed(Toolbox, make(builtIn))

/** The built-in tools and others; a tool replaces a built-in one of the same name. */
export const layerWith = <R>(
  sources: ReadonlyArray<ToolSource<R>>
): Layer.Layer<Toolbox, never, Exclude<R, Scope.Scope>> =>
  Layer.scoped(
    Toolbox,
    Effect.map(
      Effect.forEach(sources, (source): Effect.Effect<BuiltInTool, never, R> =>
        Effect.isEffect(source) ? source : Effect.succeed(source)),
      (others) =>
        make([
          ...builtIn.filter((known) =>
            others.every(({ tool }) => tool.name !== known.tool.name)
          ),
          ...others
        ])
    )
  )
