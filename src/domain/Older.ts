/**
 * What older versions have stored, in the form of this one. Nothing is rewritten in storage: it is read so. Clients read
 * the streams of older servers by it too.
 *
 * Their logs have types of their own where this version has `CUSTOM` events, the provider's reason where a call of a
 * model says how it ended, and words of their own for why replies ended and failed.
 */
import { Schema } from "effect"
import { Message } from "./Message.ts"
import { Run } from "./Run.ts"
import { errorTypeOf } from "./RunError.ts"
import { finishedReasonOf, type StopReason } from "./Stop.ts"

type Stored = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Stored =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The names that older types have now. */
const names = new Map([
  ["RUN_QUEUED", "run_queued"],
  ["USER_MESSAGE", "user_message"],
  ["RUN_RESUMED", "run_resumed"],
  ["RUN_PARKED", "run_parked"]
])

/** The reasons for which a call of a model ended, by the words of older versions. */
const reasons = new Map<unknown, StopReason>([
  ["stop", "end_turn"],
  ["tool_calls", "tool_calls"],
  ["length", "max_tokens"],
  ["content_filter", "content_filter"],
  ["error", "error"],
  ["other", "unknown"]
])

/** Ways in which a reply ended that are reasons of its model now. */
const endings = new Set<unknown>(["max_tokens", "content_filter"])

const failure = (error: unknown): unknown => {
  if (!isObject(error)) return error
  const word = String(error["type"])
  const type = errorTypeOf(word)
  return type === word && "code" in error ? error : { ...error, type, code: error["code"] ?? word }
}

/** Of a reply's end, a message or a run. */
const ended = (stored: Stored): Stored => {
  const { error, finished_reason, stop_reason } = stored
  const said = endings.has(finished_reason)
    ? { finished_reason: finishedReasonOf(String(finished_reason)), stop_reason: stop_reason ?? finished_reason }
    : {}
  return endings.has(finished_reason) || isObject(error)
    ? { ...stored, ...said, ...(error !== undefined && { error: failure(error) }) }
    : stored
}

const called = (stored: Stored): Stored => {
  const reason = reasons.get(stored["finished_reason"])
  return reason === undefined ? stored : {
    ...stored,
    finished_reason: reason === "error" ? "interrupted" : "completed",
    stop_reason: stored["stop_reason"] ?? reason
  }
}

/** An event, as JSON has it. */
export const event = (stored: Stored): Stored => {
  const { agent_path, created_at, id, metadata, type, ...value } = stored
  const name = names.get(String(type))
  if (name !== undefined) {
    return {
      id,
      created_at,
      type: "CUSTOM",
      name,
      value,
      ...(metadata !== undefined && { metadata }),
      ...(agent_path !== undefined && { agent_path })
    }
  }
  switch (type) {
    case "REPLY_END":
      return ended(stored)
    case "MODEL_CALL_END":
      return called(stored)
    case "CUSTOM": {
      const switched = stored["value"]
      return stored["name"] === "model_switched" && isObject(switched)
        ? { ...stored, value: { ...switched, error: failure(switched["error"]) } }
        : stored
    }
    default:
      return stored
  }
}

/** Finds the frames that may have to change, without reading the others. Quotes in a text are escaped, so that none has this. */
const mayDiffer = /"type":"(?:RUN_QUEUED|USER_MESSAGE|RUN_RESUMED|RUN_PARKED|REPLY_END|MODEL_CALL_END|CUSTOM)"/

const mark = "\ndata: "

/** Whole frames of a page, which keep their places. What cannot be read stays as it is. */
export const frames = (older: string): string =>
  older.split("\n\n").map((frame) => {
    if (!mayDiffer.test(frame)) return frame
    const from = frame.indexOf(mark) + mark.length
    try {
      const stored: unknown = JSON.parse(frame.slice(from))
      if (!isObject(stored)) return frame
      const now = event(stored)
      return now === stored ? frame : frame.slice(0, from) + JSON.stringify(now)
    } catch {
      return frame
    }
  }).join("\n\n")

/** Reads with this schema what an older version may have written for it. */
const reading = <A, I extends Stored>(schema: Schema.Schema<A, I>, upgrade: (stored: Stored) => Stored) =>
  Schema.compose(
    Schema.transform(Schema.Object, Schema.Object, {
      strict: true,
      decode: (stored) => upgrade(stored as Stored),
      encode: (stored) => stored
    }),
    schema,
    { strict: false }
  )

export const StoredRun: Schema.Schema<Run, object> = reading(Run, ended)
export const StoredMessage: Schema.Schema<Message, object> = reading(Message, ended)
