/** A toolbox, and beside its tools those by which an agent remembers, for agents whose definitions say that they do. */
import { type Context, Effect, Layer, Schema } from "effect"
import { RecollectionId } from "../../domain/Ids.ts"
import { Importance, maxContent, RecollectionKind } from "../../domain/Recollection.ts"
import { isBlank } from "../../domain/Text.ts"
import { Catalog } from "../../services/Catalog.ts"
import { type Of, Recall } from "../../services/Recall.ts"
import { Toolbox, type ToolCaller } from "../../services/Toolbox.ts"
import { sameId } from "../SameId.ts"
import { type BuiltInTool, define, ToolFailed } from "./BuiltInTool.ts"

/** Most things that one search tells. */
const maxFound = 50

const defaultImportance = 0.5

const optional = <A, I>(schema: Schema.Schema<A, I>, description: string) =>
  Schema.optionalWith(schema.annotations({ description }), { exact: true })

/** What is remembered is of the session's user, whatever the model says. */
const ofCaller = ({ agent, session }: ToolCaller): Of => ({ owner: session.user_id, agent_id: agent.id })

const failed = ({ detail }: { readonly detail: string }) => new ToolFailed({ message: detail })

const shared = { effect: "none", onRequest: true, background: false } as const

const toolsOver = (recall: Context.Tag.Service<Recall>): ReadonlyArray<BuiltInTool> => [
  define({
    ...shared,
    name: "memory_recall",
    description: "Searches what you remember of this user from other conversations. The best matches come first.",
    idempotent: true,
    parameters: Schema.Struct({
      query: Schema.String.pipe(Schema.maxLength(1_000)).annotations({ description: "Words to look for." }),
      limit: optional(Schema.Int.pipe(Schema.between(1, maxFound)), "How many there may be; 10 without it.")
    }),
    run: ({ limit = 10, query }, caller) =>
      Effect.map(recall.search(ofCaller(caller), query, limit), (found) =>
        found.length === 0
          ? "Nothing of that is remembered."
          : JSON.stringify(found.map(({ content, created_at, id, importance, kind }) => ({
            id,
            content,
            type: kind,
            importance,
            created_at
          }))))
  }),
  define({
    ...shared,
    name: "memory_save",
    description:
      "Remembers something of this user for later conversations: a fact, a preference, how something is done.",
    // The same call is remembered once.
    idempotent: true,
    parameters: Schema.Struct({
      content: Schema.String.pipe(Schema.maxLength(maxContent)).annotations({
        description: "One thing, so that it is understood by itself. No secrets."
      }),
      type: optional(
        RecollectionKind,
        "`episodic` is what happened, `semantic` what is so (without it), `procedural` how something is done."
      ),
      importance: optional(Importance, "How much it matters, from 0 to 1; 0.5 without it.")
    }),
    run: Effect.fnUntraced(
      function*({ content, importance = defaultImportance, type: kind = "semantic" }, caller, { call }) {
        if (isBlank(content)) return yield* new ToolFailed({ message: "Say in `content` what has to be remembered." })
        const of = ofCaller(caller)
        const id = RecollectionId.make(sameId(of.owner, "recollection", caller.session.id, call.id))
        yield* Effect.mapError(recall.save(of, id, { content, importance, kind, source: "manual" }), failed)
        return `It is remembered, as ${id}.`
      }
    )
  }),
  define({
    ...shared,
    name: "memory_forget",
    description: "Forgets something that you remember of this user.",
    idempotent: true,
    parameters: Schema.Struct({
      id: Schema.String.pipe(Schema.maxLength(128)).annotations({ description: "Its id, as memory_recall tells it." })
    }),
    run: ({ id }, caller) => Effect.as(Effect.mapError(recall.forget(ofCaller(caller), id), failed), "It is forgotten.")
  })
]

const make = (
  own: Context.Tag.Service<Toolbox>,
  catalog: Context.Tag.Service<Catalog>,
  recall: Context.Tag.Service<Recall>
) => {
  const tools = new Map(toolsOver(recall).map((one) => [one.tool.name, one]))
  const specs = [...tools.values()].map(({ tool }) => tool)

  const remembers = ({ agent }: ToolCaller): boolean =>
    catalog.bookOf(agent).agents.get(agent.data.definition ?? "")?.front.memory?.enabled === true

  return Toolbox.of({
    ...own,
    all: [...own.all, ...specs],
    knows: (name) => tools.has(name) || own.knows(name),
    list: (caller) => Effect.map(own.list(caller), (others) => remembers(caller) ? [...others, ...specs] : others),
    effectOf: (caller, call) => {
      const mine = tools.get(call.name)
      return mine === undefined ? own.effectOf(caller, call) : Effect.succeed(mine.tool.effect)
    },
    folderOf: (caller, call) => tools.has(call.name) ? Effect.succeed(undefined) : own.folderOf(caller, call),
    call: (caller, call, emit) =>
      Effect.suspend(() => {
        const mine = tools.get(call.name)
        if (mine === undefined || !remembers(caller)) return own.call(caller, call, emit)
        return Effect.matchEffect(mine.run(call.input, caller, { call, emit }), {
          onFailure: ({ message }) =>
            Effect.as(Effect.sync(() => emit({ type: "text", delta: message })), "error" as const),
          onSuccess: (text) => Effect.as(Effect.sync(() => emit({ type: "text", delta: text })), "success" as const)
        })
      })
  })
}

/** Adds them to the toolbox of a layer. */
export const layer = <E, R>(own: Layer.Layer<Toolbox, E, R>): Layer.Layer<Toolbox, E, R | Catalog | Recall> =>
  Layer.effect(Toolbox, Effect.map(Effect.all([Toolbox, Catalog, Recall]), (all) => make(...all))).pipe(
    Layer.provide(own)
  )
