/** Hooks that are asked and told by HTTP, as the settings name them: signed like all webhooks, and through the guard. */
import { Clock, Data, DateTime, Duration, Effect, Either, Redacted, Schema } from "effect"
import { Webhook as Signer } from "standardwebhooks"
import { ChatInput } from "../../domain/Chat.ts"
import { defaultSeconds, type Webhook, type WebhookPoint } from "../../domain/Hook.ts"
import { OutputSchema } from "../../domain/OutputSchema.ts"
import { ClientToolsInput, ToolChoice } from "../../domain/Tool.ts"
import type { Hook, Points } from "../../services/Hooks.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Outbound } from "../../services/Outbound.ts"

/** Longest body that is sent, and longest answer, in characters and bytes. */
const maxBody = 1024 * 1024
const maxAnswer = 1024 * 1024

/** Why there is no answer. It is for the log: it names no address and no secret. */
class NotAnswered extends Data.TaggedError("NotAnswered")<{ readonly message: string; readonly cause?: unknown }> {}

/** Reads an answer up to its bound. */
const bodyOf = async (response: Response): Promise<string> => {
  const decoder = new TextDecoder()
  let size = 0
  let text = ""
  for await (const piece of response.body ?? []) {
    size += piece.length
    if (size > maxAnswer) throw new NotAnswered({ message: "Its answer is too long." })
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

/** An answer to `run.before`, whose fields may be left out as they may in a request. */
const RunAnswer = Schema.Struct({
  refuse: Schema.optional(Schema.NullOr(Schema.String)),
  instructions: Schema.optional(Schema.String),
  input: Schema.optional(ChatInput),
  tools: Schema.optional(ClientToolsInput),
  tool_choice: Schema.optional(ToolChoice),
  output_schema: Schema.optional(OutputSchema)
})
const decodeRun = Schema.decodeUnknownEither(RunAnswer)

/** Points whose answer says something; whatever comes back from the others is not looked at. */
const asks = new Set<WebhookPoint>(["run.before", "model.before", "tool.before", "server.start"])

/** What is sent of what a hook of the program would see: the words that were exchanged before stay here. */
const dataOf = (point: WebhookPoint, value: object): object => {
  if (point === "run.before" && "history" in value) {
    const { history, ...rest } = value
    return { ...rest, history: Array.isArray(history) ? history.length : 0 }
  }
  if (point === "model.before" && "messages" in value) {
    const { messages, ...rest } = value
    return { ...rest, messages: Array.isArray(messages) ? messages.length : 0 }
  }
  return value
}

const parsed = (text: string) => Either.try((): unknown => text.trim() === "" ? undefined : JSON.parse(text))

const answerOf = (point: WebhookPoint, text: string): Effect.Effect<unknown, NotAnswered> => {
  if (!asks.has(point)) return Effect.void
  const answer = parsed(text)
  if (Either.isLeft(answer)) return new NotAnswered({ message: "Its answer is no JSON." })
  if (point !== "run.before" || answer.right == null) return Effect.succeed(answer.right)
  const decoded = decodeRun(answer.right)
  // What a field holds may be a tenant's words.
  return Either.isLeft(decoded)
    ? new NotAnswered({ message: "Its answer is no change of a run." })
    : Effect.succeed(decoded.right)
}

const refusedStatus = (status: number) => new NotAnswered({ message: `It has answered with ${status}.` })

const post = (
  outbound: typeof Outbound.Service,
  { secret, url }: Webhook,
  point: WebhookPoint,
  value: object,
  signal: AbortSignal
): Effect.Effect<unknown, NotAnswered> =>
  Effect.gen(function*() {
    const millis = yield* Clock.currentTimeMillis
    const id = (yield* NewId).record(millis)
    const body = JSON.stringify({ type: point, timestamp: timestampOf(millis), data: dataOf(point, value) })
    if (body.length > maxBody) return yield* new NotAnswered({ message: "What it would be sent is too long." })
    const signature = new Signer(Redacted.value(secret)).sign(id, DateTime.toDate(DateTime.unsafeMake(millis)), body)
    const text = yield* Effect.tryPromise({
      try: async () => {
        const response = await outbound.fetch(Redacted.value(url), {
          method: "POST",
          body,
          signal,
          headers: {
            "content-type": "application/json",
            "user-agent": "Stoa",
            "webhook-id": id,
            "webhook-timestamp": String(Math.floor(millis / 1000)),
            "webhook-signature": signature
          }
        })
        if (response.ok && asks.has(point)) return await bodyOf(response)
        await response.body?.cancel()
        if (!response.ok) throw refusedStatus(response.status)
        return ""
      },
      catch: (cause) =>
        cause instanceof NotAnswered ? cause : new NotAnswered({ message: "It could not be reached.", cause })
    })
    return yield* answerOf(point, text)
  })

/** Its failure becomes a defect of the hook's, which is logged with its reason and shown to nobody. */
export const make = (outbound: typeof Outbound.Service) => (webhook: Webhook): Hook => {
  const ask = (point: WebhookPoint) => (value: object, signal: AbortSignal) =>
    Effect.orDie(post(outbound, webhook, point, value, signal))
  const points = Object.fromEntries(webhook.points.map((point) => [point, ask(point)]))
  return {
    name: webhook.name ?? new URL(Redacted.value(webhook.url)).host,
    patience: Duration.seconds(webhook.timeout ?? defaultSeconds),
    required: webhook.required ?? false,
    // Whatever it answers is read as foreign by those who ask.
    ...points as Points
  }
}
