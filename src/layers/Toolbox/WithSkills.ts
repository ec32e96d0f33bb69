/**
 * A toolbox, and beside its tools one that reads skills, for agents whose workspace has some. Their names and descriptions
 * stand in the prompt, always in the same order; the rest of a skill is read when it is needed. It is a text like any
 * other: what it says is allowed to nobody by it.
 */
import { type Context, Effect, Layer, Schema } from "effect"
import type { AgentTools } from "../../domain/Agent.ts"
import { type KnownSkill, type ReadSkill, Skills } from "../../services/Skills.ts"
import { type Tool, Toolbox, type ToolCaller } from "../../services/Toolbox.ts"
import { make as toolboxOf } from "./BuiltIn.ts"
import { define, ToolFailed } from "./BuiltInTool.ts"

const name = "Skill"

/** Files of a skill that are named to the model at most. */
const maxListed = 100

/** Tools that can use the files of a skill in the workspace. */
const usesFiles = new Set(["Bash", "Read", "Glob", "Grep", "Edit", "Write"])

/** Whether an agent with this choice reads skills. */
const has = (choice: AgentTools): boolean => typeof choice === "string" ? choice !== "none" : choice.includes(name)

const placesFiles = (choice: AgentTools): boolean =>
  choice === "all" || (typeof choice !== "string" && choice.some((tool) => usesFiles.has(tool)))

const placeOf = ({ agent, session }: ToolCaller) => ({
  agent_id: agent.id,
  workspace_id: session.config.workspace_id
})

/** What the prompt says. Descriptions are one line each, so that none of them looks like another part of the prompt. */
const instructionsOf = (skills: ReadonlyArray<KnownSkill>): string =>
  [
    "# Skills",
    "Skills are folders of instructions, scripts and other files for a kind of task. When a task fits the description of "
    + `one of these, first read it with the tool ${name}, by its name, and then do what it says as far as your tools allow.`,
    ...skills.map(({ description, name }) => `- ${name}: ${description}`)
  ].join("\n")

const shown = ({ cutOf, dir, files, text }: ReadSkill, isMain: boolean): string => {
  const cut = cutOf === undefined ? [] : [`[The file is cut here: it has ${cutOf} bytes.]`]
  if (!isMain) return [text, ...cut].join("\n")
  const names = files.slice(0, maxListed).map(({ path, size }) => `- ${path} (${size} bytes)`)
  const more = files.length > maxListed ? [`and ${files.length - maxListed} more`] : []
  return [
    text,
    ...cut,
    "",
    dir === undefined
      ? `Files of the skill, which the tool ${name} reads when they are named as \`file\`:`
      : `Files of the skill, which stand in ${dir}:`,
    ...names,
    ...more
  ].join("\n")
}

const make = (own: Context.Tag.Service<Toolbox>, skills: Context.Tag.Service<Skills>) => {
  const reader = define({
    name,
    description: "Reads a skill: its instructions, or one of its files.",
    effect: "read",
    idempotent: true,
    parameters: Schema.Struct({
      skill: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)).annotations({
        description: "The name of the skill."
      }),
      file: Schema.optionalWith(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(2_048)), { exact: true })
        .annotations({ description: "A file of it, by its path; the instructions when left out." })
    }),
    run: Effect.fnUntraced(function*({ file, skill }, caller) {
      const read = yield* Effect.mapError(
        skills.read(caller.session.user_id, placeOf(caller), skill, {
          file,
          place: placesFiles(caller.agent.data.tools)
        }),
        ({ detail }) => new ToolFailed({ message: detail })
      )
      return shown(read, file === undefined)
    })
  })
  // Its own rules for what an agent has are not those of the built-in tools.
  const box = toolboxOf([reader])

  const isOurs = (named: string) => named === name && !own.knows(named)

  const offered = (caller: ToolCaller): Effect.Effect<ReadonlyArray<KnownSkill>> => {
    const { client_tools, tools } = caller.agent.data
    // An agent may have had a tool of this name before there were skills.
    if (!has(tools) || client_tools.some((tool) => tool.name === name) || own.knows(name)) return none
    return skills.known(caller.session.user_id, placeOf(caller))
  }

  const toolOf = (known: ReadonlyArray<KnownSkill>): Tool => ({ ...reader.tool, instructions: instructionsOf(known) })

  return Toolbox.of({
    all: own.all,
    namesOf: (choice) => has(choice) ? new Set([...own.namesOf(choice), name]) : own.namesOf(choice),
    knows: (named) => named === name || own.knows(named),
    list: (caller) =>
      Effect.zipWith(
        own.list(caller),
        offered(caller),
        (tools, known) => known.length === 0 ? tools : [...tools, toolOf(known)]
      ),
    effectOf: (caller, call) => isOurs(call.name) ? Effect.succeed("read") : own.effectOf(caller, call),
    folderOf: (caller, call) => isOurs(call.name) ? Effect.succeed(undefined) : own.folderOf(caller, call),
    call: (caller, call, emit) =>
      isOurs(call.name)
        ? Effect.flatMap(offered(caller), (known) =>
          known.length === 0 ? own.call(caller, call, emit) : box.call(caller, call, emit))
        : own.call(caller, call, emit)
  })
}

const none: Effect.Effect<ReadonlyArray<KnownSkill>> = Effect.succeed([])

/** Adds it to the toolbox of a layer. */
export const layer = <E, R>(own: Layer.Layer<Toolbox, E, R>): Layer.Layer<Toolbox, E, R | Skills> =>
  Layer.effect(Toolbox, Effect.zipWith(Toolbox, Skills, make)).pipe(Layer.provide(own))
