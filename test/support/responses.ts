/** What is wrong with a stream of the Responses API: the rules by which its readers put it together. */

interface Event {
  readonly type: string
  readonly sequence_number?: number
  readonly item_id?: string
  readonly output_index?: number
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever stands there is what is looked at
  readonly [member: string]: any
}

const known = new Set(
  [
    "created queued in_progress completed failed incomplete",
    "output_item.added output_item.done content_part.added content_part.done",
    "output_text.delta output_text.done output_text.annotation.added",
    "reasoning_summary_part.added reasoning_summary_part.done",
    "reasoning_summary_text.delta reasoning_summary_text.done",
    "function_call_arguments.delta function_call_arguments.done",
    "mcp_call.in_progress mcp_call.completed mcp_call.failed mcp_call_arguments.delta mcp_call_arguments.done",
    "image_generation_call.in_progress image_generation_call.completed"
  ].flatMap((line) => line.split(" ")).map((name) => `response.${name}`)
)

const terminal = new Set(["response.completed", "response.failed", "response.incomplete"])

/** Sentences; none for a stream that every client reads to its end. */
export const problemsOf = (given: ReadonlyArray<unknown>): ReadonlyArray<string> => {
  const events = given as ReadonlyArray<Event>
  const problems: Array<string> = []
  const items: Array<{ id: string; isDone: boolean; parts: Set<string>; text: string; done?: unknown }> = []
  let response: string | undefined
  if (events[0]?.type !== "response.created") problems.push("The first event is not response.created.")
  if (!terminal.has(events.at(-1)?.type ?? "")) problems.push("The last event ends nothing.")
  for (const [i, event] of events.entries()) {
    const { item_id, output_index, type } = event
    const say = (what: string) => problems.push(`${i} ${type}: ${what}`)
    if (event.sequence_number !== i) say("its sequence number is not its place")
    if (type === "error") {
      if (typeof event["error"]?.message !== "string" || typeof event["message"] !== "string") {
        say("not nested and flat")
      }
      if (events[i + 1]?.type !== "response.failed") say("no response.failed comes after it")
      continue
    }
    if (!known.has(type)) say("nobody knows it")
    if (event["response"] !== undefined) {
      response ??= event["response"].id
      if (event["response"].id !== response) say("another response")
      if (terminal.has(type)) {
        if (i !== events.length - 1) say("something comes after it")
        const output = event["response"].output.map((item: object) => JSON.stringify(item))
        const told = items.map(({ done, id }) => done === undefined ? id : JSON.stringify(done))
        if (output.join() !== told.join()) say("its output is not what was told")
        if (type === "response.completed" && items.some(({ isDone }) => !isDone)) say("an item is not done")
      }
      continue
    }
    if (type === "response.output_item.added") {
      if (output_index !== items.length) say("a place in the output is left out")
      items.push({ id: event["item"].id, isDone: false, parts: new Set(), text: "" })
      continue
    }
    const item = items[output_index ?? -1]
    if (item === undefined) {
      say("its item was not added")
      continue
    }
    if (item.isDone) say("its item is done")
    if (type === "response.output_item.done") {
      if (event["item"].id !== item.id) say("the item's id has changed")
      item.isDone = true
      item.done = event["item"]
      const text = event["item"].content?.[0]?.text ?? event["item"].summary?.[0]?.text ?? event["item"].arguments
      if ((item.text !== "" || text !== undefined) && text !== item.text) say("its text is not what its deltas were")
      continue
    }
    if (item_id !== item.id) say("another item is at its place")
    if (type.endsWith("_part.added")) item.parts.add(String(event["content_index"] ?? event["summary_index"]))
    if (type.endsWith("_text.delta")) {
      if (!item.parts.has(String(event["content_index"] ?? event["summary_index"]))) say("its part was not added")
    }
    if (type.endsWith(".delta")) item.text += event["delta"]
  }
  return problems
}
