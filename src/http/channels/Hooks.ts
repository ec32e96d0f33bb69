/**
 * Runs the hooks of a channel within bounds, and refuses what the operator lets no
 * request bring. It stands around the `SessionHub` that the channel's handlers get, so that no
 * channel has to do anything for it; without hooks and limits the channel gets the hub itself.
 */
import { Cause, Clock, Context, Duration, Effect, Layer, Schema } from "effect"
import { ChatInput, type ChatRequest, isAnswer } from "../../domain/Chat.ts"
import { Invalid, LimitReached, Unavailable } from "../../domain/Errors.ts"
import type { ContentBlock, Message } from "../../domain/Message.ts"
import { OutputSchema } from "../../domain/OutputSchema.ts"
import { ClientToolsInput, ToolChoice } from "../../domain/Tool.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import type { About, Change, Hook, OfRun, Part, Refusal, Reply, Sent } from "./Hook.ts"

/** How long a hook may take: before a run or with its reply, and with one event of a stream. */
export const patience = { whole: Duration.seconds(10), update: Duration.seconds(2) }

/** A hook that holds the thread for so many milliseconds is told of in the log: everybody else waits then. */
const slow = 100

/** Most characters of what a run hook puts in the place of an input, and of a reply after its hooks. */
const maxInput = 1024 * 1024
const maxReply = 8 * 1024 * 1024

/** Options of a request that change what an agent does, beside the parameters of its model. */
const own = ["instructions", "output_schema", "tool_choice", "tools"] as const

/** Which options of a request reach an agent, by their names here: all, or these. */
export type Let = "all" | ReadonlyArray<string>

export const isLet = (options: Let, name: string): boolean => options === "all" || options.includes(name)

/** What a channel's handlers and `Follow.ts` find. */
export interface Hooking {
  readonly channel: string
  readonly hooks: ReadonlyArray<Hook>
  readonly options: Let
}

export class Hooks extends Context.Reference<Hooks>()("stoa/http/channels/Hooks", {
  defaultValue: (): Hooking => ({ channel: "", hooks: [], options: "all" })
}) {}

export type Problem = Refusal | Unavailable

const broken = (code: string, detail: string) => new Unavailable({ code, detail, retry_after: 10 })

export const late: Unavailable = broken(
  "hook_timeout",
  "A hook of this server did not answer in time, so the request was not served."
)

/** The reason is the operator's to read, in the log. */
const failed = broken("hook_failed", "A hook of this server broke, so the request was not served.")

const isRefusal = Schema.is(Schema.Union(Invalid, LimitReached))

/** Logs what a hook did wrong. */
const complain = (hook: Hook, what: string, cause?: Cause.Cause<unknown>) =>
  Effect.annotateLogs(
    cause === undefined ? Effect.logError(what) : Effect.logError(what, cause),
    { hook: hook.name }
  )

/** Its answer has not the form that it should have. */
export const malformed = (hook: Hook, what: string): Effect.Effect<never, Unavailable> =>
  Effect.zipRight(complain(hook, `A hook has answered with ${what}`), Effect.fail(failed))

/** What is told where a hook's answer has ended something, and broke what had to read it. */
export const problemOf = (cause: Cause.Cause<Problem>): Effect.Effect<Problem> => {
  const failure = Cause.failureOption(cause)
  return failure._tag === "Some"
    ? Effect.succeed(failure.value)
    : Effect.as(Effect.logError("What a hook has answered could not be read", cause), failed)
}

/** Its answer is read within this: what breaks here is the answer. */
const reading = <A>(hook: Hook, read: Effect.Effect<A, Problem>): Effect.Effect<A, Problem> =>
  Effect.catchAllDefect(
    read,
    (defect) =>
      Effect.zipRight(
        complain(hook, "A hook has answered with what cannot be read", Cause.die(defect)),
        Effect.fail(failed)
      )
  )

/** What the hook answers, or a failure that may be shown: after `wait` it is left alone, and whatever it breaks with is one. */
export const asking = <A>(
  hook: Hook,
  wait: Duration.Duration,
  ask: () => Effect.Effect<A, Refusal>
): Effect.Effect<A, Problem> =>
  Effect.gen(function*() {
    const started = yield* Clock.currentTimeMillis
    // What it does before it waits for anything holds the thread.
    const asked = yield* Effect.try({ try: ask, catch: (error) => Cause.die(error) }).pipe(
      Effect.catchAll((cause) => Effect.zipRight(complain(hook, "A hook has thrown", cause), Effect.fail(failed)))
    )
    const held = (yield* Clock.currentTimeMillis) - started
    if (held > slow) yield* complain(hook, `A hook has held up all of the server for ${held} ms`)
    return yield* asked
  }).pipe(
    // Whoever does not let himself be interrupted goes on alone; the request waits no longer. A request whose beginning
    // cannot be interrupted can be while it waits here: nothing of it is stored yet.
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutFail({ duration: Duration.min(hook.patience ?? wait, wait), onTimeout: () => late }),
    Effect.tapError((problem) => problem === late ? complain(hook, "A hook did not answer in time") : Effect.void),
    Effect.catchAllCause((cause): Effect.Effect<never, Problem> => {
      const failure = Cause.failureOption(cause)
      if (failure._tag === "Some") {
        return failure.value === late || failure.value === failed || isRefusal(failure.value)
          ? Effect.fail(failure.value)
          : malformed(hook, "an error that is none of its own")
      }
      return Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.zipRight(complain(hook, "A hook broke", cause), Effect.fail(failed))
    })
  )

const isInput = Schema.is(Schema.typeSchema(ChatInput))
const isTools = Schema.is(ClientToolsInput)
const isChoice = Schema.is(ToolChoice)
const isOutput = Schema.is(OutputSchema)

type Asked = { readonly [Name in keyof Change]-?: Change[Name] | undefined }

/** Characters of the texts of messages; their files have limits of their own. */
const charactersOf = (input: ChatInput): number => {
  if (input === null || isAnswer(input)) return 0
  const messages = "role" in input ? [input] : input
  return messages.reduce(
    (sum, { content }) =>
      sum + (typeof content === "string" ?
        content.length :
        content.reduce((all, block) => all + (block.type === "text" ? block.text.length : 0), 0)),
    0
  )
}

/** What is wrong with what a run hook has answered. */
const problemIn = ({ input, instructions, output_schema, tool_choice, tools }: Asked): string | undefined => {
  if (instructions !== undefined && typeof instructions !== "string") return "instructions that are no text"
  if ((instructions?.length ?? 0) > maxInput) return "instructions that are too long"
  if (input !== undefined && !isInput(input)) return "an input that is none"
  if (input !== undefined && charactersOf(input) > maxInput) return "an input that is too long"
  if (tools !== undefined && !isTools(tools)) return "tools that are none"
  if (tool_choice !== undefined && !isChoice(tool_choice)) return "a tool_choice that is none"
  return output_schema === undefined || isOutput(output_schema) ? undefined : "an output_schema that is none"
}

/** The request after all run hooks, each of which sees what the one before has made of it. */
const changed = (hooks: ReadonlyArray<Hook>, sent: Sent): Effect.Effect<Sent, Problem> =>
  Effect.reduce(
    hooks,
    sent,
    (before, hook) =>
      hook.run === undefined ? Effect.succeed(before) : reading(
        hook,
        Effect.flatMap(
          asking(hook, patience.whole, () => hook.run!(before)),
          (change) => {
            if (change === undefined) return Effect.succeed(before)
            if (typeof change !== "object" || change === null) return malformed(hook, "no object")
            const { input, instructions, output_schema, tool_choice, tools } = change
            const asked = { input, instructions, output_schema, tool_choice, tools }
            const wrong = problemIn(asked)
            if (wrong !== undefined) return malformed(hook, wrong)
            const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
            return Effect.succeed<Sent>({ ...before, ...given })
          }
        )
      )
  )

const sameParts = (before: ReadonlyArray<Part>, after: ReadonlyArray<Part>): boolean => {
  const types = new Map(before.map(({ id, type }) => [`${type} ${id}`, true]))
  return after.every((part) =>
    typeof part === "object" && part !== null && typeof part.text === "string" &&
    types.delete(`${part.type} ${part.id}`)
  )
}

/** The reply after all response hooks. */
export const replied = (
  hooks: ReadonlyArray<Hook>,
  reply: Reply,
  about: OfRun
): Effect.Effect<Reply, Problem> =>
  Effect.reduce(
    hooks,
    reply,
    (before, hook) =>
      hook.response === undefined ? Effect.succeed(before) : reading(
        hook,
        Effect.flatMap(
          asking(hook, patience.whole, () => hook.response!(before, about)),
          (after) => {
            if (typeof after !== "object" || after === null || !Array.isArray(after.parts)) {
              return malformed(hook, "no reply")
            }
            if (!sameParts(before.parts, after.parts)) return malformed(hook, "parts that the reply did not have")
            const output: string | undefined = after.structured_output === undefined
              ? ""
              : JSON.stringify(after.structured_output)
            if (output === undefined) return malformed(hook, "a structured output that is no JSON")
            return after.parts.reduce((sum, { text }) => sum + text.length, output.length) > maxReply
              ? malformed(hook, "a reply that is too long")
              : Effect.succeed(after)
          }
        )
      )
  )

const partsOf = ({ content }: Message): ReadonlyArray<Part> =>
  content.flatMap((block): ReadonlyArray<Part> => {
    if (block.type === "text") return [{ id: block.id, type: "text", text: block.text }]
    return block.type === "thinking" ? [{ id: block.id, type: "thinking", text: block.thinking }] : []
  })

/** The message with the words of the reply, and without those of its blocks that are gone. */
const worded = (message: Message, { parts, structured_output }: Reply): Message => {
  const texts = new Map(parts.map(({ id, text, type }) => [`${type} ${id}`, text]))
  const content = message.content.flatMap((block): ReadonlyArray<ContentBlock> => {
    if (block.type !== "text" && block.type !== "thinking") return [block]
    const text = texts.get(`${block.type} ${block.id}`)
    if (text === undefined) return []
    return [block.type === "text" ? { ...block, text } : { ...block, thinking: text }]
  })
  return { ...message, content, ...message.structured_output !== undefined && { structured_output } }
}

const notLet = (name: string, channel: string) =>
  new Invalid({
    code: "option_not_allowed",
    detail: `${name}: A request may not say this here. The operator lets it through by channels.${channel}.options.`,
    errors: [{ path: name, message: "Expected nothing: the operator does not let it through" }]
  })

/** The first option of the request that is not let through. */
const deniedIn = (options: Let, request: ChatRequest, instructions: string): string | undefined => {
  const given = {
    instructions: instructions !== "",
    output_schema: request.output_schema !== undefined,
    tool_choice: request.tool_choice !== undefined,
    tools: request.tools.length > 0
  }
  return own.find((name) => given[name] && !isLet(options, name))
}

type Hub = typeof SessionHub.Service

const around = (hub: Hub, { channel, hooks, options }: Hooking): Hub => ({
  ...hub,
  send: (owner, request, claim, origin) => {
    const instructions = origin?.instructions ?? ""
    const denied = deniedIn(options, request, instructions)
    if (denied !== undefined) return Effect.fail(notLet(denied, channel))
    const { agent_id, input, output_schema, session_id, tool_choice, tools } = request
    const about: About = { channel, owner, agent_id, session_id }
    const sent = { ...about, input, output_schema, tool_choice, tools, instructions, history: origin?.history ?? [] }
    return Effect.flatMap(changed(hooks, sent), ({ input, instructions, output_schema, tool_choice, tools }) => {
      const { output_schema: _, tool_choice: __, ...rest } = request
      return hub.send(
        owner,
        {
          ...rest,
          input,
          tools,
          ...(tool_choice !== undefined && { tool_choice }),
          ...(output_schema !== undefined && { output_schema })
        },
        claim,
        { ...(origin ?? { source: "channel", source_id: channel }), ...instructions !== "" && { instructions } }
      )
    })
  },
  reply: (session, run_id, after) =>
    Effect.flatMap(hub.reply(session, run_id, after), (message) => {
      const { structured_output } = message
      const reply: Reply = { parts: partsOf(message), ...structured_output !== undefined && { structured_output } }
      const about: OfRun = {
        channel,
        owner: session.user_id,
        agent_id: session.agent_id,
        session_id: session.id,
        run_id
      }
      return Effect.matchEffect(replied(hooks, reply, about), {
        onSuccess: (changed) => Effect.succeed(worded(message, changed)),
        // A reply that a hook lets not go out is one that says why: who waits for a message has no place for an error.
        onFailure: ({ detail }) => Effect.succeed(refusedReply(message, detail))
      })
    })
})

const refusedReply = (message: Message, detail: string): Message => {
  const [first] = partsOf(message)
  const { structured_output: _, ...rest } = message
  return {
    ...rest,
    finished_reason: "error",
    content: first === undefined ? [] : [{ type: "text", id: first.id, text: detail }],
    error: { code: "hook_refused", type: "internal", message: detail, retryable: false }
  }
}

/** The handlers of a channel with its hooks around all that they send and read. */
export const layerAround = <A, E, R>(handlers: Layer.Layer<A, E, R>, hooking: Hooking) => {
  const found = Layer.succeed(Hooks, hooking)
  if (hooking.hooks.length === 0 && hooking.options === "all") return Layer.provide(handlers, found)
  return Layer.provide(
    handlers,
    Layer.merge(found, Layer.effect(SessionHub, Effect.map(SessionHub, (hub) => around(hub, hooking))))
  )
}
