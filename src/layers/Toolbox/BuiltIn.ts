/**
 * The tools that agents have, and those that a user's own program adds. A tool that every agent has by default is a file beside
 * this one and a name in `builtIn`; one that an agent has to ask for is a file in `tools`.
 */
import { Cause, Effect, Exit, Layer, Option, type Scope } from "effect"
import type { AgentTools } from "../../domain/Agent.ts"
import { type Tool, Toolbox, type ToolCaller } from "../../services/Toolbox.ts"
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
  const all = tools.map(({ tool }) => tool)
  const usual = all.filter(({ onRequest }) => onRequest !== true)
  // The same lists for every call: nothing is made for those who say nothing.
  const fixed = { default: usual, all, none: [] }
  const toolsOf = (choice: AgentTools): ReadonlyArray<Tool> =>
    typeof choice === "string" ? fixed[choice] : all.filter(({ name }) => choice.includes(name))
  const has = (choice: AgentTools, { tool }: BuiltInTool) =>
    choice === "all" ||
    (choice === "default" ? tool.onRequest !== true : choice !== "none" && choice.includes(tool.name))
  const historical = all.filter(({ onHistory }) => onHistory === true)
  const find = ({ agent }: ToolCaller, name: string): BuiltInTool | undefined => {
    const entry = byName.get(name)
    if (entry === undefined) return undefined
    const { tools } = agent.data
    return has(tools, entry) || (entry.tool.onHistory === true && tools !== "none") ? entry : undefined
  }
  return Toolbox.of({
    all,
    namesOf: (choice) => new Set(toolsOf(choice).map(({ name }) => name)),
    knows: (name) => byName.has(name),
    list: ({ agent: { data: { tools } }, history }) => {
      const own = toolsOf(tools)
      return Effect.succeed(
        history === true && tools !== "none" ? [...own, ...historical.filter((tool) => !own.includes(tool))] : own
      )
    },
    effectOf: (caller, { input, name }) =>
      Effect.sync(() => {
        const entry = find(caller, name)
        return entry?.effectOf?.(input, caller) ?? entry?.tool.effect ?? "none"
      }),
    folderOf: (caller, { name }) =>
      find(caller, name)?.folderOf?.(caller).pipe(Effect.orElseSucceed(() => undefined)) ?? Effect.succeed(undefined),
    call: Effect.fn("Toolbox.call")(function*(caller, call, emit) {
      const { input, name } = call
      const entry = find(caller, name)
      const exit = entry === undefined
        ? Exit.fail(new ToolFailed({ message: `ToolNotFoundError: The tool named '${name}' doesn't exist.` }))
        : yield* Effect.exit(Effect.suspend(() => entry.run(input, caller, { call, emit })))
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
      // The last of a name is the one.
      (others) =>
        make([...new Map([...builtIn, ...others].map((entry) => [entry.tool.name, entry])).values()])
    )
  )
