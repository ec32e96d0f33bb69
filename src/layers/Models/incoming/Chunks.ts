/**
 * Chunks of Chat Completions. Many servers speak it, each a little differently,
 * and the packages that read them refuse a chunk whole for one field that is not
 * as they know it. What is regular passes as it is; the rest is put into the
 * shape that all of them take.
 */
import * as Charged from "./Charged.ts"
import { dropped, type Fields, fieldsIn, isFields, type Look, type Seen } from "./Seen.ts"

const isTextOrNone = (value: unknown): boolean => value === undefined || value === null || typeof value === "string"

const isCount = (value: unknown): boolean => value === undefined || value === null || typeof value === "number"

const isReason = (value: unknown): value is string => typeof value === "string" && value !== "" && value !== "null"

const isRegularCall = (call: unknown): boolean => {
  if (!isFields(call)) return false
  const { function: called, id, index, type } = call
  return typeof index === "number" && isTextOrNone(id) && (type === undefined || type === "function") &&
    isFields(called) && isTextOrNone(called["name"]) && isTextOrNone(called["arguments"])
}

const isRegularContent = (content: unknown): boolean =>
  isTextOrNone(content) ||
  (Array.isArray(content) && content.every((part) => isFields(part) && typeof part["type"] === "string"))

const isRegularDelta = (delta: unknown): delta is Fields =>
  isFields(delta) &&
  (delta["role"] === undefined || delta["role"] === "assistant") && isRegularContent(delta["content"]) &&
  isTextOrNone(delta["reasoning_content"]) && isTextOrNone(delta["reasoning"]) && delta["annotations"] == null &&
  (delta["tool_calls"] == null || (Array.isArray(delta["tool_calls"]) && delta["tool_calls"].every(isRegularCall)))

const isRegularChoice = (choice: unknown): boolean =>
  isFields(choice) && typeof choice["index"] === "number" && isRegularDelta(choice["delta"]) &&
  choice["logprobs"] == null && (choice["finish_reason"] == null || isReason(choice["finish_reason"]))

const totals = ["prompt_tokens", "completion_tokens", "total_tokens"] as const
const details = ["prompt_tokens_details", "completion_tokens_details"] as const

const isRegularUsage = (usage: unknown): boolean =>
  usage == null ||
  (isFields(usage) && totals.every((name) => typeof usage[name] === "number") &&
    details.every((name) =>
      usage[name] == null || (isFields(usage[name]) && Object.values(usage[name]).every(isCount))
    ))

const isRegular = (chunk: Fields): boolean =>
  Array.isArray(chunk["choices"]) && chunk["choices"].length > 0 && chunk["choices"].every(isRegularChoice) &&
  isRegularUsage(chunk["usage"]) &&
  isTextOrNone(chunk["id"]) && isCount(chunk["created"]) && isTextOrNone(chunk["model"]) && !("error" in chunk) &&
  (chunk["object"] === undefined || chunk["object"] === "chat.completion.chunk")

const usageIn = (usage: unknown): Fields | undefined => {
  if (!isFields(usage)) return undefined
  const counts = (of: Fields) => Object.fromEntries(Object.entries(of).filter(([, value]) => typeof value === "number"))
  const number = (value: unknown) => typeof value === "number" ? value : Number(value ?? 0) || 0
  return {
    ...usage,
    ...Object.fromEntries(totals.map((name) => [name, number(usage[name])])),
    ...Object.fromEntries(details.map((name) => [name, isFields(usage[name]) ? counts(usage[name]) : undefined]))
  }
}

const textIn = (value: unknown): string | undefined => typeof value === "string" ? value : undefined

/** A citation of a web page, with what the packages want of it. */
const citationIn = (annotation: unknown, state: State): ReadonlyArray<Fields> => {
  const cited = fieldsIn(fieldsIn(annotation)["url_citation"])
  const { end_index, start_index, title, url } = cited
  if (typeof url !== "string") return none(state)
  const at = (index: unknown) => typeof index === "number" ? index : 0
  const citation = {
    ...cited,
    url,
    title: textIn(title) ?? url,
    start_index: at(start_index),
    end_index: at(end_index)
  }
  return [{ type: "url_citation", url_citation: citation }]
}

/** What is remembered of the chunks of one answer. */
interface State {
  /** The ids of calls whose server does not number them, by their place. */
  readonly ids: Array<string | undefined>
  readonly seen: Seen
  /** Whether the reason is that something went wrong: an error may follow that says what. */
  broke: boolean
}

/** Leaves something out, which is counted. */
const none = ({ seen }: State): readonly [] => {
  seen.skipped++
  return []
}

const indexOf = ({ ids }: State, index: unknown, id: string | undefined, begins: boolean): number => {
  const given = typeof index === "string" && index !== "" ? Number(index) : index
  if (typeof given === "number" && Number.isInteger(given)) return given
  const known = id === undefined ? ids.length - 1 : ids.indexOf(id)
  // A call that begins with a known name of another is another call.
  return known >= 0 && !(begins && id === undefined) ? known : ids.push(id) - 1
}

const callIn = (call: unknown, state: State): ReadonlyArray<Fields> => {
  const { function: called, id, index, type: _, ...others } = fieldsIn(call)
  if (!isFields(called)) return none(state)
  const name = textIn(called["name"])
  const given = called["arguments"]
  const own = typeof id === "number" ? String(id) : textIn(id)
  return [{
    ...others,
    index: indexOf(state, index, own === "" ? undefined : own, name !== undefined && name !== ""),
    ...(own !== undefined && { id: own }),
    type: "function",
    function: {
      ...called,
      name,
      arguments: typeof given === "object" && given !== null ? JSON.stringify(given) : textIn(given)
    }
  }]
}

const contentIn = (content: unknown): unknown =>
  Array.isArray(content)
    ? content.filter((part) => isFields(part) && typeof part["type"] === "string")
    : textIn(content) ?? textIn(fieldsIn(content)["text"])

const deltaIn = (given: unknown, state: State): Fields => {
  const { annotations, content, reasoning, reasoning_content, role: _, tool_calls, ...others } = fieldsIn(given)
  return {
    ...others,
    content: contentIn(content),
    reasoning_content: textIn(reasoning_content),
    reasoning: textIn(reasoning),
    annotations: Array.isArray(annotations) ? annotations.flatMap((one) => citationIn(one, state)) : undefined,
    tool_calls: Array.isArray(tool_calls) ? tool_calls.flatMap((call) => callIn(call, state)) : undefined
  }
}

const choiceIn = (choice: unknown, n: number, state: State): ReadonlyArray<Fields> => {
  if (!isFields(choice)) return none(state)
  const { delta, finish_reason, index, logprobs: _, ...others } = choice
  return [{
    ...others,
    index: typeof index === "number" ? index : n,
    delta: deltaIn(delta, state),
    finish_reason: isReason(finish_reason) ? finish_reason : null
  }]
}

/** Some packages read the first choice without looking whether there is one: chunks with tokens have none. */
const noChoice: Fields = { index: 0, delta: {}, finish_reason: null }

const putRight = (chunk: Fields, state: State): Fields => {
  const { choices, created, error: _, id, model, usage, ...others } = chunk
  const chosen = Array.isArray(choices) ? choices.flatMap((choice, n) => choiceIn(choice, n, state)) : []
  return {
    ...others,
    id: textIn(id),
    object: "chat.completion.chunk",
    created: typeof created === "number" ? created : undefined,
    model: textIn(model),
    choices: chosen.length > 0 ? chosen : [noChoice],
    usage: usageIn(usage)
  }
}

/** Whether the chunk reports an error: the packages know most of these shapes, `Failure.ts` the rest. */
const isError = ({ choices, error, object, type }: Fields): boolean =>
  error != null || object === "error" || (choices === undefined && type === "error")

const isFilled = (value: unknown): boolean =>
  typeof value === "string" || Array.isArray(value) ? value.length > 0 : value != null

const isSaid = (delta: Fields): boolean =>
  isFilled(delta["content"]) || isFilled(delta["tool_calls"]) || isFilled(delta["images"])

const note = (chunk: Fields, state: State): void => {
  const { seen } = state
  const { choices, usage } = chunk
  const last = fieldsIn(usage ?? fieldsIn(chunk["x_groq"])["usage"])
  if ("prompt_tokens" in last) seen.usage = Charged.ofChat(last)
  for (const choice of choices as ReadonlyArray<Fields>) {
    if (isFields(choice["usage"])) seen.usage = Charged.ofChat(choice["usage"])
    const said = isSaid(fieldsIn(choice["delta"]))
    if (said) seen.visible = true
    // Some servers name a reason in each chunk: what still says something was not the last one.
    if (isReason(choice["finish_reason"])) {
      seen.finished = true
      seen.reason = choice["finish_reason"]
      state.broke = /error|abort|fail/i.test(choice["finish_reason"])
    } else if (said) seen.finished = false
  }
}

/** Looks at the chunks of one answer. */
export const look = (seen: Seen): Look => {
  const state: State = { ids: [], seen, broke: false }
  return (chunk) => {
    if (isRegular(chunk)) {
      note(chunk, state)
      return chunk
    }
    if (isError(chunk)) {
      if (!seen.finished || state.broke) return chunk
      seen.over = true
      return dropped
    }
    const isChunk = Array.isArray(chunk["choices"]) || isFields(chunk["usage"]) || isFields(chunk["x_groq"])
    if (!isChunk) {
      seen.skipped++
      return dropped
    }
    const right = putRight(chunk, state)
    note(right, state)
    return right
  }
}

/** The chunk that stands for the reason which a server did not name before it said that its answer is done. */
export const unknownReason: Fields = {
  object: "chat.completion.chunk",
  choices: [{ index: 0, delta: {}, finish_reason: "unknown" }]
}

/** An answer in one piece, as a chunk. */
export const ofWhole = (answer: Fields): Fields => {
  const { choices, object: _, ...others } = answer
  const chosen = Array.isArray(choices) ? choices : []
  return {
    ...others,
    choices: chosen.map((choice) => {
      const { message, ...more } = fieldsIn(choice)
      return { ...more, delta: message }
    })
  }
}
