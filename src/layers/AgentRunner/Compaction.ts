/**
 * Makes the context of a session shorter when it has become too long for its model: a summary takes the place of the
 * older messages. Nothing is taken away before the summary is in the log. What could not be summarised is left out only
 * where the model could not be asked otherwise.
 */
import { Effect } from "effect"
import type { Agent } from "../../domain/Agent.ts"
import { type Plan, planOf } from "../../domain/Compacting.ts"
import { type Compacted, contextOf, maxMessages } from "../../domain/Context.ts"
import type { EventDraft } from "../../domain/Event.ts"
import type { Message } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import { tokensIn, tokensOf } from "../../domain/Tokens.ts"
import { noUsage } from "../../domain/UsageSum.ts"
import type { Out, ReplyRequest } from "../../services/AgentRunner.ts"
import type { HookRefused } from "../../services/Hooks.ts"
import { type ModelFailed, type ModelPart, Models, type ToolSpec } from "../../services/Models.ts"
import { now } from "../../services/Now.ts"
import * as HookedModel from "./HookedModel.ts"
import * as Meter from "./Meter.ts"
import * as Summary from "./Summary.ts"

type Reason = Compacted["value"]["reason"]
type Finish = Extract<ModelPart, { readonly type: "finish" }>

/** Tokens that a model takes whose card does not say it. */
const usualSize = 128_000

/** No model takes fewer: a shorter context is not looked at any further. */
const smallest = 512

/** Messages after which a context is compacted, however short they are: a room keeps no more than `maxMessages`. */
const most = Math.floor(0.8 * maxMessages)

/** The share of the model's size that a compaction must free, so that the next one is not near. */
const leastFreed = 0.1

/** The share of the size up to which a context that could not be summarised stays as it is. */
const bearable = 0.95

/** The share of the size that the record for a summary may have, and how often it is asked for with half of that. */
const recordShare = 0.8
const tries = 3

/** Compactions of one run because a model has refused the context, and summaries that may fail in it. */
const maxOverflows = 3
const maxFailures = 2

const isTooLong = (error: HookRefused | ModelFailed) => error._tag === "ModelFailed" && error.type === "context_length"

/** What a run knows of its context, from one model call to the next. */
export interface Given {
  compaction: Compacted | undefined
  /** Tokens that the model takes, when they are known. */
  size: number | undefined
  /** Tokens of the tools, when they have been counted. */
  tools: number | undefined
  overflows: number
  failures: number
}

export const begin = ({ compaction }: ReplyRequest): Given => ({
  compaction,
  size: undefined,
  tools: undefined,
  overflows: 0,
  failures: 0
})

/** What the model is given now: the reply comes last, if there is something of it. */
export const messagesFor = ({ context }: ReplyRequest, { compaction }: Given, reply: Message) => {
  const messages = contextOf([...context, reply], compaction)
  return messages.at(-1)?.content.length === 0 ? messages.slice(0, -1) : messages
}

/** What a model is told of a tool. */
const specOf = ({ description, name, parameters }: ToolSpec): ToolSpec => ({ name, description, parameters })

export const make = Effect.gen(function*() {
  const models = yield* Models
  const hookedModel = yield* HookedModel.make

  const sizeOf = (owner: ReplyRequest["session"]["user_id"], { credential_id, model, type }: ChatModelConfig) =>
    Effect.match(models.card(type, model, { owner, credential_id }), {
      onFailure: () => usualSize,
      onSuccess: ({ context_size }) => context_size ?? usualSize
    })

  const sizeFor = (request: ReplyRequest, given: Given) =>
    Effect.suspend(() => {
      const config = request.session.config.chat_model_config
      if (given.size !== undefined || config === null) return Effect.succeed(given.size ?? usualSize)
      return Effect.tap(sizeOf(request.session.user_id, config), (size) =>
        Effect.sync(() => {
          given.size = size
        }))
    })

  /** Asks for one summary. Undefined when nothing in the answer is one. */
  const ask = Effect.fnUntraced(function*(
    { agent, run, session }: ReplyRequest,
    out: Out,
    fallbacks: ReadonlyArray<ChatModelConfig>,
    asked: Omit<Summary.Asked, "at" | "config">
  ) {
    const config = session.config.chat_model_config!
    const { context_config } = agent.data
    const meter = Meter.make({ out, reply_id: out.reply().id, clock: yield* Effect.clock, purpose: "compaction" })
    const hooked = yield* hookedModel({ run }, config, "compaction", {
      messages: Summary.requestOf({ ...asked, config: context_config, at: yield* now }),
      system: Summary.system,
      tools: []
    })
    let answer = ""
    let finish: Finish = { type: "finish", reason: "other", usage: noUsage }
    meter.begin(config)
    yield* hooked.around(
      models.stream({
        owner: session.user_id,
        config,
        fallbacks,
        system: hooked.system,
        messages: hooked.messages,
        tools: [],
        output: { name: Summary.outputName, schema: context_config.summary_schema }
      }, (part) => {
        if (part.type === "retry") meter.retry()
        else if (part.type === "switch") meter.switch(part)
        else if (part.type === "charged") meter.charged(part)
        else {
          meter.come()
          if (part.type === "finish") finish = part
          else if (part.type === "text" && answer.length < Summary.maxAnswer) answer += part.delta
        }
        return out.behind()
      }),
      () => finish.usage
    ).pipe(
      Effect.tapError((error) =>
        Effect.sync(() => {
          meter.failed(HookedModel.kindOf(error))
          meter.broke()
        })
      )
    )
    meter.finish(finish)
    const isSaid = finish.reason === "stop" || finish.reason === "other" || finish.reason === "tool_calls"
    return isSaid ? Summary.read(answer, context_config) : undefined
  })

  /** A summary of what the plan replaces; with less and less of it while the model finds it too long. */
  const summarise = (
    request: ReplyRequest,
    out: Out,
    fallbacks: ReadonlyArray<ChatModelConfig>,
    { before, messages, tokens }: Omit<Summary.Asked, "at" | "config">
  ) => {
    const attempt = (
      left: number,
      room: number
    ): Effect.Effect<Summary.Summary | undefined, HookRefused | ModelFailed> =>
      Effect.catchIf(
        ask(request, out, fallbacks, { before, messages, tokens: room }),
        (error) => isTooLong(error) && left > 1,
        () => attempt(left - 1, Math.floor(room / 2))
      )
    return attempt(tries, tokens)
  }

  const draftOf = (
    { run, session }: ReplyRequest,
    out: Out,
    { blocks, keeps_from, kept, up_to }: Plan,
    how: Pick<Compacted["value"], "reason" | "method" | "summary" | "tokens_before">
  ): Extract<EventDraft, { readonly name: "context_compacted" }> => ({
    type: "CUSTOM",
    name: "context_compacted",
    value: {
      session_id: session.id,
      run_id: run.id,
      reply_id: out.reply().id,
      up_to,
      blocks,
      keeps_from,
      ...how,
      tokens_after: kept + tokensOf(how.summary.length)
    }
  })

  /** The log has it when this returns, and only then the model is given less. */
  const keep = Effect.fnUntraced(function*(out: Out, given: Given, draft: ReturnType<typeof draftOf>) {
    given.compaction = out.compact(draft)
    yield* out.durable
  })

  const planFor = (request: ReplyRequest, out: Out, given: Given, reserve: number, size: number) =>
    planOf({
      messages: request.context,
      reply: out.reply().message,
      compaction: given.compaction,
      inputs: request.run.input.map(({ id }) => id),
      reserve: Math.floor(reserve),
      size
    })

  const earlier = ({ compaction }: Given): string | undefined => compaction?.value.summary

  const truncate = (
    request: ReplyRequest,
    out: Out,
    given: Given,
    plan: Plan,
    how: { readonly reason: Reason; readonly tokens_before: number }
  ) =>
    keep(
      out,
      given,
      draftOf(request, out, plan, { ...how, method: "truncated", summary: Summary.without(earlier(given)) })
    )

  /** Whether a summary was made and is stored. It fails when the model does. */
  const replace = Effect.fnUntraced(function*(
    request: ReplyRequest,
    out: Out,
    given: Given,
    fallbacks: ReadonlyArray<ChatModelConfig>,
    plan: Plan,
    how: { readonly reason: Reason; readonly tokens_before: number },
    size: number
  ) {
    const summary = yield* summarise(request, out, fallbacks, {
      before: earlier(given),
      messages: plan.replaced,
      tokens: Math.floor(recordShare * size)
    })
    if (summary === undefined) return false
    const { method, text } = summary
    yield* keep(out, given, draftOf(request, out, plan, { ...how, method, summary: text }))
    return true
  })

  const failedSummary = (request: ReplyRequest, why: string) =>
    Effect.logWarning("A context could not be summarised").pipe(
      Effect.annotateLogs({
        error: why,
        tenant: request.run.user_id,
        session_id: request.run.session_id,
        run_id: request.run.id
      }),
      Effect.as(false)
    )

  const configOf = ({ agent }: { readonly agent: Agent }) => agent.data.context_config

  return {
    /** Before a call of the reply's model: compacts when the context has its share of the model's size. */
    ifLong: Effect.fnUntraced(function*(
      request: ReplyRequest,
      out: Out,
      given: Given,
      system: string,
      tools: ReadonlyArray<ToolSpec>,
      fallbacks: ReadonlyArray<ChatModelConfig>
    ) {
      const messages = messagesFor(request, given, out.reply().message)
      const text = tokensIn(messages) + tokensOf(system.length)
      if (text < smallest && messages.length < most) return
      const { reserve_ratio, trigger_ratio } = configOf(request)
      const size = yield* sizeFor(request, given)
      const trigger = trigger_ratio * size
      // Most agents have few tools: they are counted only where they can matter.
      if (text >= trigger / 2) given.tools ??= tokensOf(JSON.stringify(tools.map(specOf)).length)
      const before = text + (given.tools ?? 0)
      if (before < trigger && messages.length < most) return
      const plan = planFor(request, out, given, reserve_ratio * size, size)
      if (plan === undefined || (messages.length < most && plan.removed < leastFreed * size)) return
      const how = { reason: "size" as const, tokens_before: before }
      const isMade = given.failures < maxFailures &&
        (yield* Effect.catchTags(replace(request, out, given, fallbacks, plan, how, size), {
          ModelFailed: (error) => failedSummary(request, error.message),
          // Without a summary the context is cut: a run does not end because a hook lets nothing be summarised.
          HookRefused: (error) => failedSummary(request, error.message)
        }))
      if (isMade) return
      given.failures++
      if (before >= bearable * size || messages.length >= maxMessages - 1) {
        yield* truncate(request, out, given, plan, how)
      }
    }),

    /** Whether the call that the model refused as too long may be made again, with less. */
    canShorten: (request: ReplyRequest, out: Out, given: Given): boolean =>
      given.overflows < maxOverflows && planFor(request, out, given, 0, Infinity) !== undefined,

    /** After a call that the model refused as too long. */
    shorten: Effect.fnUntraced(function*(
      request: ReplyRequest,
      out: Out,
      given: Given,
      system: string,
      fallbacks: ReadonlyArray<ChatModelConfig>
    ) {
      given.overflows++
      const before = tokensIn(messagesFor(request, given, out.reply().message)) + tokensOf(system.length)
      // Tokens are estimated: the model takes fewer than so many.
      const size = Math.max(1, Math.min(yield* sizeFor(request, given), before))
      given.size = size
      const { reserve_ratio } = configOf(request)
      const plan = planFor(request, out, given, reserve_ratio * size / given.overflows, size) ??
        planFor(request, out, given, 0, Infinity)
      if (plan === undefined) return
      const how = { reason: "overflow" as const, tokens_before: before }
      const isMade = yield* Effect.catchTags(replace(request, out, given, fallbacks, plan, how, size), {
        ModelFailed: (error) => failedSummary(request, error.message),
        // Without a summary the context is cut: a run does not end because a hook lets nothing be summarised.
        HookRefused: (error) => failedSummary(request, error.message)
      })
      if (!isMade) yield* truncate(request, out, given, plan, how)
    }),

    /**
     * For a run that does nothing else. Undefined when there is nothing to summarise. A summary that cannot be made is
     * the run's failure, and the context stays as it was.
     */
    requested: Effect.fnUntraced(function*(
      request: ReplyRequest,
      out: Out,
      given: Given,
      fallbacks: ReadonlyArray<ChatModelConfig>
    ) {
      const before = tokensIn(messagesFor(request, given, out.reply().message))
      const size = yield* sizeFor(request, given)
      const plan = planFor(request, out, given, configOf(request).reserve_ratio * Math.min(size, before), size)
      // What compactions before have said of themselves is no conversation.
      const own = given.compaction?.value.reason === "requested" ? given.compaction.value.reply_id : undefined
      const isOwn = ({ content, id }: Message) => id === own || textOf(content) === sentenceOf(undefined)
      if (plan === undefined || plan.replaced.every(isOwn)) return undefined
      const how = { reason: "requested" as const, tokens_before: before }
      return yield* replace(request, out, given, fallbacks, plan, how, size)
    })
  }
})

/** What a person who has asked for a compaction is told. */
export const sentenceOf = (compacted: Compacted | undefined): string =>
  compacted === undefined
    ? "There is nothing to summarise: the context stays as it is."
    : `The older part of the conversation was summarised: the context has about ${compacted.value.tokens_after} tokens now, `
      + `and had about ${compacted.value.tokens_before}.`
