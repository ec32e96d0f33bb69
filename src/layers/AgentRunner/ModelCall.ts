/** One call of the model: what it is given, what becomes of what it says, and what is written down of it. */
import { Cause, Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import type { BlockId } from "../../domain/Ids.ts"
import { type ChatModelConfig, fallbacksIn } from "../../domain/Model.ts"
import type * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import { noUsage } from "../../domain/UsageSum.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import type { HookRefused } from "../../services/Hooks.ts"
import { type ModelFailed, type ModelPart, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import type { Tool } from "../../services/Toolbox.ts"
import * as Blocks from "./Blocks.ts"
import * as Compaction from "./Compaction.ts"
import * as FilesIn from "./FilesIn.ts"
import * as FilesOut from "./FilesOut.ts"
import * as HookedModel from "./HookedModel.ts"
import * as Meter from "./Meter.ts"

type Finish = Extract<ModelPart, { readonly type: "finish" }>

/** The agent's prompt, what its tools add to it, which is the same in each run, and what the run's sender adds. */
export const systemOf = ({ data }: Agent, { instructions }: Run, tools: ReadonlyArray<Tool>) => {
  let prompt = data.system_prompt
  for (const tool of tools) if (tool.instructions !== undefined) prompt = `${prompt}\n\n${tool.instructions}`
  return instructions === undefined || instructions === "" ? prompt : `${prompt}\n\n${instructions}`
}

/** A model that had to call a tool in every round would never end. */
const choiceOf = ({ tool_choice }: Run, { rounds }: Reply.Reply) =>
  tool_choice === undefined || (rounds > 0 && tool_choice !== "none") ? {} : { tool_choice }

const noteOn = (meter: ReturnType<typeof Meter.make>, cause: Cause.Cause<ModelFailed | HookRefused>) => {
  const failure = Cause.failureOption(cause)
  if (failure._tag === "Some") meter.failed(HookedModel.kindOf(failure.value))
  else if (!Cause.isInterruptedOnly(cause)) meter.failed("internal")
}

/** The session's setting, or else the agent's. */
export const fallbacksOf = ({ config }: Session, { data }: Agent): ReadonlyArray<ChatModelConfig> =>
  config.fallback_chat_model_config === null
    ? data.fallback_chat_model_configs
    : fallbacksIn("", config.fallback_chat_model_config).map(({ config }) => config)

export const make = Effect.fnUntraced(function*(
  options: FilesIn.Options,
  filesOut: Effect.Effect.Success<typeof FilesOut.make>,
  compaction: Effect.Effect.Success<typeof Compaction.make>
) {
  const models = yield* Models
  const hooked = yield* HookedModel.make
  const newId = yield* NewId
  const withFiles = yield* FilesIn.make(options)

  /**
   * Answers whether the model has answered; it has not when it refused the context as too long and can be given less.
   * `withheld` has the tools then that hooks have taken away for this call.
   */
  return Effect.fnUntraced(
    function*(
      request: ReplyRequest,
      out: Out,
      given: Compaction.Given,
      listed: ReadonlyArray<Tool>,
      withheld: Set<string>
    ) {
      const { agent, run, session } = request
      const config = session.config.chat_model_config
      const { message } = out.reply()
      const reply_id = message.id
      if (config === null) {
        return yield* Effect.die(new Error("A run was started in a session without a model"))
      }
      const fallbacks = fallbacksOf(session, agent)
      const { around, messages, system, tools, withheld: taken } = yield* hooked(request, config, "answer", {
        messages: Compaction.messagesFor(request, given, message),
        system: systemOf(agent, run, listed),
        tools: [...listed, ...agent.data.client_tools, ...run.tools]
      })
      withheld.clear()
      for (const name of taken) withheld.add(name)
      const clock = yield* Effect.clock
      const meter = Meter.make({ out, reply_id, clock })
      meter.begin(config)
      const blocks = Blocks.make({
        reply_id,
        emit: out.emit,
        newBlock: () => newId.short() as BlockId,
        isTaken: (id) => message.content.some((block) => block.type === "tool_call" && block.id === id)
      })
      let finish: Finish = { type: "finish", reason: "other", usage: noUsage }
      const outlet = filesOut.outlet(session)
      const isAnswered = yield* withFiles(session.user_id, messages, (messages) =>
        models.stream({
          owner: session.user_id,
          config,
          fallbacks,
          system,
          messages,
          tools,
          ...choiceOf(run, out.reply()),
          ...(run.output_schema !== undefined && { output: { schema: run.output_schema } })
        }, (part) => {
          if (part.type === "retry") return void meter.retry()
          if (part.type === "switch") return void meter.switch(part)
          if (part.type === "charged") return void meter.charged(part)
          meter.come()
          if (part.type === "finish") finish = part
          else if (part.type === "data") {
            return outlet.writeFiles([FilesOut.typed(part)], (placed) => placed.forEach(blocks.take)) ?? out.behind()
          } else if (part.type === "tool_result") {
            const files = part.files.map(FilesOut.typed)
            return outlet.writeFiles(files, (files) => blocks.take({ ...part, files })) ?? out.behind()
          } else {
            const stored = outlet.write(() => blocks.take(part))
            if (stored !== undefined) return stored
          }
          return out.behind()
        }), agent.data.context_config.max_image_num).pipe(
          (making) => around(making, () => finish.usage),
          Effect.zipRight(outlet.settled),
          // Nothing that still waits for its file may come out behind the end of the call.
          Effect.onError((cause) => Cause.isInterrupted(cause) ? outlet.stop : outlet.settled),
          Effect.tapErrorCause((cause) => Effect.sync(() => noteOn(meter, cause))),
          Effect.tapError((error) =>
            Effect.logWarning("A model call failed").pipe(
              Effect.annotateLogs({
                error: error.message,
                error_type: HookedModel.kindOf(error),
                retryable: error._tag === "ModelFailed" && error.retryable,
                provider: config.type,
                model: config.model,
                tenant: run.user_id,
                session_id: run.session_id,
                run_id: run.id
              })
            )
          ),
          Effect.as(true),
          Effect.catchIf(
            (error) =>
              error._tag === "ModelFailed" && error.type === "context_length" && !meter.hasCome() &&
              compaction.canShorten(request, out, given),
            () => Effect.succeed(false)
          )
        )
      if (!isAnswered) {
        meter.broke()
        return false
      }
      const made = yield* outlet.settled
      meter.finish(finish)
      if (made.length > 0) {
        // The files are kept once the log names them.
        yield* out.durable
        yield* filesOut.keep(session.id, made)
      }
      return true
    }
  )
})
