/** Events of the other protocols that come as server-sent events: which are the last, and what of them can be put right. */
import * as Charged from "./Charged.ts"
import * as Chunks from "./Chunks.ts"
import * as Items from "./Items.ts"
import { dropped, type Fields, fieldsIn, isFields, type Kind, type Look, type Seen } from "./Seen.ts"

/** https://docs.claude.com/en/docs/build-with-claude/streaming#event-types */
const messageEvents: ReadonlySet<unknown> = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
  "ping",
  "error"
])

/** Puts a number where one is missing, for packages that want it. */
const counted = (usage: Fields, name: string): Fields =>
  typeof usage[name] === "number" ? usage : { ...usage, [name]: 0 }

/** Anthropic's Messages. */
const messages = (seen: Seen): Look => (event) => {
  switch (event["type"]) {
    case "message_start": {
      const message = fieldsIn(event["message"])
      const usage = fieldsIn(message["usage"])
      seen.usage = Charged.ofMessages(usage, undefined)
      const right = counted(usage, "input_tokens")
      return right === message["usage"] ? event : { ...event, message: { ...message, usage: right } }
    }
    case "message_delta": {
      const delta = fieldsIn(event["delta"])
      const usage = fieldsIn(event["usage"])
      seen.usage = Charged.ofMessages(usage, seen.usage)
      if (typeof delta["stop_reason"] === "string" && delta["stop_reason"] !== "") {
        seen.finished = true
        seen.reason = delta["stop_reason"]
      }
      const right = counted(usage, "output_tokens")
      return right === event["usage"] ? event : { ...event, delta, usage: right }
    }
    case "content_block_delta": {
      const delta = fieldsIn(event["delta"])
      const given = delta["partial_json"]
      return isFields(given) ? { ...event, delta: { ...delta, partial_json: JSON.stringify(given) } } : event
    }
    case "message_stop":
      seen.over = true
      return event
    default:
      if (messageEvents.has(event["type"]) || event["error"] != null) return event
      seen.skipped++
      return dropped
  }
}

/** Some servers say only within `response.completed` how the answer has ended. */
const endTypeOf = (type: unknown, status: unknown): unknown =>
  status === "incomplete" || status === "failed"
    ? `response.${status}`
    : status === "cancelled"
    ? "response.failed"
    : type

/** Why an answer is not whole, where its server does not say it: the package takes one without a reason for a whole one. */
const reasonFor = (type: unknown, { incomplete_details, status }: Fields): Fields | undefined => {
  const { reason } = fieldsIn(incomplete_details)
  if (typeof reason === "string" && reason !== "") return undefined
  if (type === "response.incomplete") return { incomplete_details: { reason: "max_output_tokens" } }
  return type === "response.failed" && status === "cancelled"
    ? { incomplete_details: { reason: "cancelled" } }
    : undefined
}

/** OpenAI's Responses. The package passes over events that it does not know. */
const responses = (seen: Seen): Look => {
  /** The item that was begun last: some servers do not say which one a delta belongs to. */
  let item: unknown
  /** Whether any item has come, and whether the last one has said something. */
  let hasItems = false
  let said = false
  return (event) => {
    switch (event["type"]) {
      case "response.output_item.added":
        item = fieldsIn(event["item"])["id"]
        hasItems = true
        said = false
        return event
      case "response.output_text.delta":
      case "response.refusal.delta":
        said = true
        return typeof event["item_id"] === "string" ? event : { ...event, item_id: item }
      case "response.output_item.done":
        return said ? event : [...Items.textOf(event), event]
      case "response.completed":
      case "response.incomplete":
      case "response.failed": {
        const { usage, ...others } = fieldsIn(event["response"])
        const type = endTypeOf(event["type"], others["status"])
        seen.over = true
        seen.finished = type !== "response.failed"
        if (isFields(usage)) seen.usage = Charged.ofResponses(usage)
        const isRead = usage == null ||
          (isFields(usage) && typeof usage["input_tokens"] === "number" && typeof usage["output_tokens"] === "number")
        const response = { ...others, ...(isRead && usage !== undefined && { usage }), ...reasonFor(type, others) }
        const { reason } = fieldsIn(fieldsIn(response)["incomplete_details"])
        if (seen.finished) seen.reason = typeof reason === "string" ? reason : "completed"
        const end = { sequence_number: 0, ...event, type, response }
        return hasItems ? end : [...Items.all(others["output"]), end]
      }
      default:
        if (typeof event["type"] === "string" || event["error"] != null) return event
        seen.skipped++
        return dropped
    }
  }
}

const isGrounding = (metadata: unknown): boolean => {
  const chunks = fieldsIn(metadata)["groundingChunks"]
  return isFields(metadata) && (chunks == null || (Array.isArray(chunks) && chunks.every((chunk) => {
    const { web } = fieldsIn(chunk)
    return isFields(chunk) && (web == null || typeof fieldsIn(web)["uri"] === "string")
  })))
}

const isList = (value: unknown): boolean => value == null || (Array.isArray(value) && value.every(isFields))

const isCounted = (usage: unknown): boolean =>
  usage == null ||
  (isFields(usage) &&
    Object.entries(usage).every(([name, value]) => !name.endsWith("Count") || typeof value === "number"))

/** Reasons that name none. */
const noReasons: ReadonlySet<unknown> = new Set(["", "null", "FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"])

const candidateIn = (given: unknown, seen: Seen): Fields => {
  const { content, finishReason, groundingMetadata, safetyRatings, ...others } = fieldsIn(given)
  const { parts, ...more } = fieldsIn(content)
  const grounded = groundingMetadata == null || isGrounding(groundingMetadata)
  if (!grounded || !isList(safetyRatings) || !isList(parts)) seen.skipped++
  return {
    ...others,
    ...(isFields(content) && { content: { ...more, ...(Array.isArray(parts) && { parts: parts.filter(isFields) }) } }),
    ...(typeof finishReason === "string" && !noReasons.has(finishReason) && { finishReason }),
    ...(grounded && { groundingMetadata }),
    ...(isList(safetyRatings) && { safetyRatings })
  }
}

const isRegularCandidate = (candidate: unknown): boolean => {
  if (!isFields(candidate)) return false
  const { content, finishReason, groundingMetadata, safetyRatings } = candidate
  return (content == null || (isFields(content) && isList(content["parts"]))) &&
    (finishReason == null || (typeof finishReason === "string" && !noReasons.has(finishReason))) &&
    (groundingMetadata == null || isGrounding(groundingMetadata)) && isList(safetyRatings)
}

/** Google's Gemini. Its package passes over errors, so that their answer would look cut: what it cannot read it reports. */
const gemini = (seen: Seen): Look => (event) => {
  const { candidates, error, usageMetadata, ...others } = event
  if (isFields(error)) {
    seen.over = true
    if (seen.finished) return dropped
    return { ...event, candidates: "none" }
  }
  if (isFields(usageMetadata)) seen.usage = Charged.ofGemini(usageMetadata)
  const list = Array.isArray(candidates) ? candidates : []
  const isRegular = (candidates == null || Array.isArray(candidates)) && list.every(isRegularCandidate) &&
    isCounted(usageMetadata)
  const right = isRegular ? list : list.filter(isFields).map((candidate) => candidateIn(candidate, seen))
  for (const candidate of right) {
    const reason = fieldsIn(candidate)["finishReason"]
    seen.finished = reason != null
    if (typeof reason === "string") seen.reason = reason
  }
  const { blockReason } = fieldsIn(others["promptFeedback"])
  if (typeof blockReason === "string" && !noReasons.has(blockReason)) {
    // Nothing comes to a prompt that is refused.
    seen.finished = true
    seen.reason = blockReason
  }
  return isRegular
    ? event
    : { ...others, candidates: right, ...(isCounted(usageMetadata) && { usageMetadata }) }
}

/** Google's errors have a word of their own for what happened. */
const isGoogleError = ({ error }: Fields): boolean => {
  const { code, status } = fieldsIn(error)
  return typeof code === "number" && typeof status === "string"
}

const kindOf = (event: Fields): Kind | undefined => {
  if ("choices" in event || event["object"] === "chat.completion.chunk") return "chat"
  if ("candidates" in event || "usageMetadata" in event || "promptFeedback" in event || isGoogleError(event)) {
    return "gemini"
  }
  const { type } = event
  if (typeof type !== "string") return undefined
  return type.startsWith("response.")
    ? "responses"
    : messageEvents.has(type) && type !== "error"
    ? "messages"
    : undefined
}

const looks = { chat: Chunks.look, messages, responses, gemini } as const

/** Looks at the events of one answer, whichever protocol they are of; what comes before that is known passes. */
export const look = (seen: Seen): Look => {
  let known: Look | undefined
  return (event) => {
    if (known === undefined) {
      seen.kind = kindOf(event)
      known = seen.kind && looks[seen.kind](seen)
    }
    return known === undefined ? event : known(event)
  }
}

/** What is said in the place of an end that a server leaves out, although it has said all the rest. */
export const endOf = ({ finished, kind, over, skipped, visible }: Seen, isDone: boolean): Fields | undefined => {
  if (over) return undefined
  if (kind === "messages" && finished) return { type: "message_stop" }
  // A server that names no reason, but says that it is done, is believed: a cut answer would not say so. Unless the
  // reason may have stood in what could not be read.
  return kind === "chat" && !finished && visible && isDone && skipped === 0 ? Chunks.unknownReason : undefined
}
