/** A toolbox, and beside its tools the one by which an agent hands work to another, for agents that may. */
import { type Context, Effect, Layer, Schema } from "effect"
import { delegateTool, maxHanded } from "../../domain/Delegation.ts"
import { JsonObject } from "../../domain/Json.ts"
import { isBlank } from "../../domain/Text.ts"
import { Delegation } from "../../services/Delegation.ts"
import { type Tool, Toolbox } from "../../services/Toolbox.ts"
import { type BuiltInTool, define, ToolFailed } from "./BuiltInTool.ts"

/** Agents that the model is told of, and characters of what each is said to do. */
const maxShown = 50
const maxDescription = 200

const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema.annotations({ description }), { exact: true })

const about =
  "Hands work to another agent, waits for it, and tells you its answer. It knows nothing of what was said to you."

const toolOver = (delegation: Context.Tag.Service<Delegation>): BuiltInTool =>
  define({
    name: delegateTool,
    description: about,
    // What the other agent may do is asked about in its own session.
    effect: "read",
    // The same call finds what it has handed over.
    idempotent: true,
    onRequest: true,
    // A process that ends would take a task with it, but not the work.
    background: false,
    parameters: Schema.Struct({
      agent_id: Schema.String.pipe(Schema.maxLength(128)).annotations({
        description: "The agent, by its name, or by its id."
      }),
      message: optional(
        Schema.String.pipe(Schema.maxLength(maxHanded)),
        "What it has to do, with all that it needs to know."
      ),
      input: optional(JsonObject, "Data that it works on."),
      execution_id: optional(
        Schema.String.pipe(Schema.maxLength(128)),
        "Work that you have handed over before and that was not done: waits on, and hands over nothing."
      )
    }),
    run: Effect.fnUntraced(function*({ agent_id, execution_id, input, message = "" }, caller, { call }) {
      if (execution_id === undefined && isBlank(message)) {
        return yield* new ToolFailed({ message: "Say in `message` what it has to do." })
      }
      if (input !== undefined && JSON.stringify(input).length > maxHanded) {
        return yield* new ToolFailed({ message: `The input has more than ${maxHanded} characters of JSON.` })
      }
      const { isFailed, text } = yield* execution_id === undefined
        ? delegation.hand(caller, call.id, { agent_id, message, input })
        : delegation.wait(caller, execution_id)
      return isFailed ? yield* new ToolFailed({ message: text }) : text
    })
  })

const make = (own: Context.Tag.Service<Toolbox>, delegation: Context.Tag.Service<Delegation>) => {
  const { run, tool } = toolOver(delegation)

  const describe = (delegates: NonNullable<ReturnType<typeof delegation.delegates>>): Tool => {
    if (delegates.length === 0) return tool
    const lines = delegates.slice(0, maxShown).map(({ description, name }) =>
      `- ${name}${description === "" ? "" : `: ${description.replaceAll(/\s+/g, " ").slice(0, maxDescription)}`}`
    )
    const more = delegates.length > maxShown ? [`and ${delegates.length - maxShown} more`] : []
    return { ...tool, description: [about, "Agents:", ...lines, ...more].join("\n") }
  }

  const mine = (name: string) => name === tool.name

  return Toolbox.of({
    ...own,
    all: [...own.all, tool],
    namesOf: (tools) => {
      const names = own.namesOf(tools)
      return tools === "all" || (typeof tools !== "string" && tools.includes(tool.name))
        ? new Set([...names, tool.name])
        : names
    },
    knows: (name) => mine(name) || own.knows(name),
    list: (caller) =>
      Effect.map(own.list(caller), (tools) => {
        const delegates = delegation.delegates(caller)
        return delegates === undefined ? tools : [...tools, describe(delegates)]
      }),
    effectOf: (caller, call) => mine(call.name) ? Effect.succeed(tool.effect) : own.effectOf(caller, call),
    folderOf: (caller, call) => mine(call.name) ? Effect.succeed(undefined) : own.folderOf(caller, call),
    call: (caller, call, emit) =>
      Effect.suspend(() => {
        if (!mine(call.name) || delegation.delegates(caller) === undefined) return own.call(caller, call, emit)
        return Effect.matchEffect(run(call.input, caller, { call, emit }), {
          onFailure: ({ message }) =>
            Effect.as(Effect.sync(() => emit({ type: "text", delta: message })), "error" as const),
          onSuccess: (text) => Effect.as(Effect.sync(() => emit({ type: "text", delta: text })), "success" as const)
        })
      })
  })
}

/** Adds it to the toolbox of a layer. */
export const layer = <E, R>(own: Layer.Layer<Toolbox, E, R>): Layer.Layer<Toolbox, E, R | Delegation> =>
  Layer.effect(Toolbox, Effect.map(Effect.all([Toolbox, Delegation]), (all) => make(...all))).pipe(Layer.provide(own))
