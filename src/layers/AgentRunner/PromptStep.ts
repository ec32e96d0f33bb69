/** A step of a workflow that asks the model: one call, without tools and without what was said before. */
import { Effect } from "effect"
import type { SkillStep } from "../../domain/Definition.ts"
import { BlockId, MessageId } from "../../domain/Ids.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import { noUsage } from "../../domain/UsageSum.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import { type ModelPart, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"
import * as HookedModel from "./HookedModel.ts"
import * as Meter from "./Meter.ts"
import { fallbacksOf } from "./ModelCall.ts"
import * as Output from "./Output.ts"

type Finish = Extract<ModelPart, { readonly type: "finish" }>

const usualSystem = "You do one step of a workflow. Answer with its result alone."

/** How often the model is asked for an answer of the step's schema: when it does not fit, it is told why once. */
const maxTries = 2

/** Longest answer, in characters. */
const maxAnswer = 256 * 1024

interface Answer {
  readonly state: "success" | "error"
  readonly text: string
}

const failed = (text: string): Answer => ({ state: "error", text })

/** Why an answer is none. */
const stops: Partial<Record<Finish["reason"], string>> = {
  length: "The model's answer was cut at its token limit.",
  content_filter: "The model's answer was withheld by its provider.",
  refusal: "The model declined to answer."
}

const textIn = (value: unknown) => typeof value === "string" ? value : ""

/** What the model is told: the prompt, and below it the step's input. */
const messageOf = ({ input, prompt }: Readonly<Record<string, unknown>>) =>
  input === undefined ? textIn(prompt) : `${textIn(prompt)}\n\nThe input, as JSON:\n${JSON.stringify(input)}`

export const make = Effect.gen(function*() {
  const models = yield* Models
  const hookedModel = yield* HookedModel.make
  const newId = yield* NewId

  const message = Effect.map(now, (at) => (role: "user" | "assistant", text: string): Message => ({
    id: MessageId.make(newId.short()),
    name: "workflow",
    role,
    content: [{ type: "text", id: BlockId.make(newId.short()), text }],
    metadata: {},
    created_at: at,
    finished_at: at,
    usage: null
  }))

  /** Asks the model once. Answers with its text, or why it is none. */
  const asking = (
    { agent, run, session }: ReplyRequest,
    out: Out,
    config: ChatModelConfig,
    { output_schema }: SkillStep,
    system: string
  ) =>
    Effect.fnUntraced(function*(messages: ReadonlyArray<Message>) {
      const meter = Meter.make({ out, reply_id: out.reply().id, clock: yield* Effect.clock, purpose: "workflow" })
      const hooked = yield* hookedModel({ run }, config, "workflow", { messages, system, tools: [] })
      let text = ""
      let finish: Finish = { type: "finish", reason: "other", usage: noUsage }
      meter.begin(config)
      yield* hooked.around(
        models.stream({
          owner: session.user_id,
          config,
          fallbacks: fallbacksOf(session, agent),
          system: hooked.system,
          messages: hooked.messages,
          tools: [],
          ...(output_schema !== null && { output: { schema: output_schema } })
        }, (part) => {
          if (part.type === "retry") meter.retry()
          else if (part.type === "switch") meter.switch(part)
          else if (part.type === "charged") meter.charged(part)
          else {
            meter.come()
            if (part.type === "finish") finish = part
            else if (part.type === "text" && text.length <= maxAnswer) text += part.delta
          }
          return out.behind()
        }),
        () => finish.usage
      ).pipe(
        Effect.tapError((error) => Effect.sync(() => meter.failed(HookedModel.kindOf(error)))),
        // The run may go on behind it, when the workflow has taken too long.
        Effect.onError(() =>
          Effect.sync(() => {
            if (!out.reply().ended && out.reply().call?.purpose === "workflow") meter.broke()
          })
        )
      )
      meter.finish(finish)
      const why = stops[finish.reason]
      if (why !== undefined) return failed(why)
      if (text.length > maxAnswer) return failed(`The model's answer has more than ${maxAnswer} characters.`)
      return { state: "success", text } satisfies Answer
    })

  /** Never fails: what a model or a hook refuses is the step's failure. */
  return Effect.fnUntraced(
    function*(request: ReplyRequest, out: Out, step: SkillStep, { input }: ToolCallBlock) {
      const { session } = request
      const config = session.config.chat_model_config
      const given: unknown = JSON.parse(input)
      if (config === null || !isObject(given)) return failed("The session has no model.")
      const ask = asking(request, out, config, step, textIn(given["system_prompt"]) || usualSystem)
      const made = yield* message
      const messages = [made("user", messageOf(given))]
      for (let tries = 1;; tries++) {
        const answer = yield* ask(messages)
        if (answer.state === "error" || step.output_schema === null) return answer
        const { text } = answer
        const checked = yield* Output.check(session.user_id, step.output_schema, made("assistant", text))
        if ("value" in checked) return { state: "success" as const, text: JSON.stringify(checked.value) }
        const problems = checked.problems.join(" ")
        if (tries === maxTries) return failed(`The model's answer is not of the step's schema. ${problems}`)
        messages.push(
          made("assistant", text === "" ? "(nothing)" : text),
          made("user", `Your answer does not fit. ${problems} Answer again, with the right JSON and nothing else.`)
        )
      }
    },
    Effect.catchTags({
      ModelFailed: ({ message }) => Effect.succeed(failed(`The model has not answered: ${message}`)),
      HookRefused: ({ message }) => Effect.succeed(failed(message)),
      CheckTooExpensive: () => Effect.succeed(failed("The model's answer could not be checked in the time for it."))
    })
  )
})
