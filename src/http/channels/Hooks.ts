/**
 * Runs the hooks of a channel within bounds, and refuses what the operator lets no
 * request bring. It stands around the `SessionHub` that the channel's handlers get, so that no
 * channel has to do anything for it; without hooks and limits the channel gets the hub itself.
 */
import { Cause, Context, Duration, Effect, Layer } from "effect"
import type { ChatRequest } from "../../domain/Chat.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { ContentBlock, Message } from "../../domain/Message.ts"
import * as RunChange from "../../domain/RunChange.ts"
import * as HookCall from "../../services/HookCall.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import type { About, Hook, OfRun, Part, Reply, Sent } from "./Hook.ts"

export const { asking, late, malformed } = HookCall

export type Problem = HookCall.Problem

/** How long a hook may take: before a run or with its reply, and with one event of a stream. */
export const patience = { whole: HookCall.patience, update: Duration.seconds(2) }

/** Most characters of a reply after its hooks. */
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

/** What is told where a hook's answer has ended something, and broke what had to read it. */
export const problemOf = (cause: Cause.Cause<Problem>): Effect.Effect<Problem> => {
  const failure = Cause.failureOption(cause)
  return failure._tag === "Some"
    ? Effect.succeed(failure.value)
    : Effect.as(Effect.logError("What a hook has answered could not be read", cause), HookCall.failed)
}

/** The request after all run hooks, each of which sees what the one before has made of it. */
const changed = (hooks: ReadonlyArray<Hook>, sent: Sent): Effect.Effect<Sent, Problem> =>
  Effect.reduce(
    hooks,
    sent,
    (before, hook) =>
      hook.run === undefined ? Effect.succeed(before) : HookCall.reading(
        hook,
        Effect.flatMap(
          asking(hook, patience.whole, () => hook.run!(before)),
          (change) => {
            if (change === undefined) return Effect.succeed(before)
            const after = RunChange.changed(before, change)
            return typeof after === "string" ? malformed(hook, after) : Effect.succeed(after)
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
      hook.response === undefined ? Effect.succeed(before) : HookCall.reading(
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
