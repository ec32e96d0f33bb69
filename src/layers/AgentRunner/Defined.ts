/** An agent that the operator has defined, as it works: with its whole prompt, by the book that was the newest when it began. */
import { Clock, type Context, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type AgentDefinition, isVisibleTo } from "../../domain/Definition.ts"
import type { Run } from "../../domain/Run.ts"
import type { ReplyRequest } from "../../services/AgentRunner.ts"
import type { Book, Catalog } from "../../services/Catalog.ts"
import { timestampOf } from "../../services/Now.ts"

const line = "\n\n---\n\n"

/** A schema in the prompt, in characters. */
const maxSchema = 16 * 1024

/** The day alone: a prompt that is another one each minute is in no provider's cache. */
const dayOf = (millis: number) => `Today is ${timestampOf(millis).slice(0, 10)} (UTC).`

const guidanceOf = ({ front: { input_schema } }: AgentDefinition) =>
  input_schema === null ? [] : [
    "# Input\nWhat you work on is an input of this JSON schema. Ask for what is missing of it.\n"
    + JSON.stringify(input_schema).slice(0, maxSchema)
  ]

const instructionsOf = ({ instructions = "", source }: Run) =>
  instructions === "" ? [] : [`# ${source === "schedule" ? "Schedule Instructions" : "Instructions"}\n${instructions}`]

const referenceOf = ({ layers: { reference } }: AgentDefinition) =>
  reference.length === 0 ? [] : [
    ["# Reference Material", ...reference.map(({ name, text }) => `## ${name}\n${text}`)].join("\n\n")
  ]

const skillsOf = ({ front }: AgentDefinition, { skills }: Book) =>
  front.skills.flatMap((name) => {
    const skill = skills.get(name)
    return skill === undefined ? [] : [`# Skill: ${name}\n${skill.front.description}\n\n${skill.body}`.trim()]
  })

/** What the agent is told, in the order in which it is documented. */
export const promptOf = (definition: AgentDefinition, book: Book, run: Run, millis: number) =>
  [
    dayOf(millis),
    ...definition.layers.shared,
    ...definition.layers.own,
    ...instructionsOf(run),
    ...guidanceOf(definition),
    ...referenceOf(definition),
    ...skillsOf(definition, book)
  ].join(line)

/** Undefined when the agent is not defined any more. */
export const make = (catalog: Context.Tag.Service<Catalog>) =>
  Effect.fnUntraced(function*(request: ReplyRequest, name: string) {
    const { agent, run, session } = request
    const millis = yield* Clock.currentTimeMillis
    // A run that has waited goes on with what it began with, whatever was read meanwhile.
    const begun = catalog.begun(run.id, () => ({ book: catalog.book(), data: agent.data, millis }))
    const { book, data } = begun
    const definition = book.agents.get(name)
    if (definition === undefined || !isVisibleTo(definition, run.user_id)) return undefined
    const working: Agent = {
      ...agent,
      data: { ...data, system_prompt: promptOf(definition, book, run, begun.millis) }
    }
    catalog.pin(working, book)
    const defined: ReplyRequest = {
      ...request,
      agent: working,
      run: { ...run, instructions: undefined },
      session: session.config.chat_model_config === null
        ? { ...session, config: { ...session.config, chat_model_config: data.chat_model_config } }
        : session
    }
    return defined
  })
