/** What clients of LangGraph send. */
import { Schema } from "effect"
import { JsonObject } from "../../../../domain/Json.ts"
import { ClientKey } from "../../../../domain/SessionKey.ts"

/** Most messages of a request, parts and calls of one, and ids of a search. */
const maxMessages = 2_048
const maxParts = 256
const maxCalls = 256
const maxIds = 100

/** Longest id and name, in characters. */
const maxId = 512
const maxName = 256

const optional = <A, I>(schema: Schema.Schema<A, I>) => Schema.optional(Schema.NullOr(schema))

const Id = Schema.String.pipe(Schema.maxLength(maxId))
const Name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxName))

/** Parts of LangChain's newer and older forms; a picture's address may be an object or a text. */
const Part = Schema.Struct({
  type: Schema.String.pipe(Schema.maxLength(64)),
  text: optional(Schema.String),
  image_url: optional(Schema.Union(Schema.String, Schema.Struct({ url: Schema.String }))),
  url: optional(Schema.String),
  data: optional(Schema.String),
  mime_type: optional(Name),
  name: optional(Name)
}, { key: Schema.String, value: Schema.Unknown }).annotations({ identifier: "LangGraphPart" })
export type Part = typeof Part.Type

const Content = Schema.Union(Schema.String, Schema.Array(Part).pipe(Schema.maxItems(maxParts)))
export type Content = typeof Content.Type

const Call = Schema.Struct({ id: optional(Id), name: Name, args: Schema.optional(Schema.Unknown) }, {
  key: Schema.String,
  value: Schema.Unknown
})

/** `type` is LangChain's word, `role` that of others. */
const Message = Schema.Struct({
  type: optional(Schema.Literal("human", "ai", "system", "tool", "developer")),
  role: optional(Schema.Literal("human", "user", "ai", "assistant", "system", "developer", "tool")),
  id: optional(Id),
  name: optional(Schema.String.pipe(Schema.maxLength(maxName))),
  content: optional(Content),
  tool_calls: optional(Schema.Array(Call).pipe(Schema.maxItems(maxCalls))),
  tool_call_id: optional(Id),
  status: optional(Schema.Literal("success", "error"))
}, { key: Schema.String, value: Schema.Unknown }).annotations({ identifier: "LangGraphMessage" })
export type Message = typeof Message.Type

const Input = Schema.Struct({
  messages: optional(Schema.Union(
    Schema.String,
    Message,
    Schema.Array(Message).pipe(Schema.maxItems(maxMessages))
  ))
}, { key: Schema.String, value: Schema.Unknown }).annotations({ identifier: "LangGraphInput" })
export type Input = typeof Input.Type

export const Mode = Schema.Literal(
  "values",
  "messages",
  "messages-tuple",
  "updates",
  "events",
  "custom",
  "debug",
  "tasks",
  "checkpoints"
)
export type Mode = typeof Mode.Type

/** One, or several. */
export const Modes = Schema.Union(Mode, Schema.Array(Mode).pipe(Schema.maxItems(Mode.literals.length)))

const Command = Schema.Struct({
  resume: Schema.optional(Schema.Unknown),
  update: Schema.optional(Schema.Unknown),
  goto: Schema.optional(Schema.Unknown)
}).annotations({ identifier: "LangGraphCommand" })

const nodes = optional(Schema.Union(Schema.String, Schema.Array(Schema.String)))

export const RunBody = Schema.Struct({
  /** The id or the name of an agent. */
  assistant_id: Name,
  input: optional(Input),
  command: optional(Command),
  config: optional(JsonObject),
  context: Schema.optional(Schema.Unknown),
  metadata: optional(JsonObject),
  stream_mode: optional(Modes),
  stream_subgraphs: optional(Schema.Boolean),
  stream_resumable: optional(Schema.Boolean),
  multitask_strategy: optional(Schema.Literal("reject", "interrupt", "enqueue", "rollback")),
  on_disconnect: optional(Schema.Literal("cancel", "continue")),
  on_completion: optional(Schema.Literal("delete", "keep", "complete", "continue")),
  if_not_exists: optional(Schema.Literal("create", "reject")),
  interrupt_before: nodes,
  interrupt_after: nodes,
  checkpoint: optional(JsonObject),
  checkpoint_id: optional(Schema.String),
  webhook: optional(Schema.String),
  after_seconds: optional(Schema.Number),
  feedback_keys: optional(Schema.Array(Schema.String)),
  durability: optional(Schema.String),
  checkpoint_during: optional(Schema.Boolean)
}).annotations({ identifier: "LangGraphRun" })
export type RunBody = typeof RunBody.Type

const limit = Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 1000)), { default: () => 10 })
const offset = Schema.optionalWith(Schema.Int.pipe(Schema.nonNegative()), { default: () => 0 })

export const ThreadBody = Schema.Struct({
  thread_id: optional(ClientKey),
  metadata: optional(JsonObject),
  if_exists: optional(Schema.Literal("raise", "do_nothing")),
  supersteps: optional(Schema.Array(Schema.Unknown)),
  ttl: Schema.optional(Schema.Unknown)
}).annotations({ identifier: "LangGraphNewThread" })

export const ThreadPatch = Schema.Struct({
  metadata: optional(JsonObject),
  ttl: Schema.optional(Schema.Unknown)
}).annotations({ identifier: "LangGraphThreadPatch" })

export const ThreadStatus = Schema.Literal("idle", "busy", "interrupted", "error")
export type ThreadStatus = typeof ThreadStatus.Type

export const ThreadSearch = Schema.Struct({
  metadata: optional(JsonObject),
  ids: optional(Schema.Array(Schema.String).pipe(Schema.maxItems(maxIds))),
  status: optional(ThreadStatus),
  values: optional(JsonObject),
  limit,
  offset,
  sort_by: optional(Schema.Literal("thread_id", "status", "created_at", "updated_at", "state_updated_at")),
  sort_order: optional(Schema.Literal("asc", "desc")),
  select: optional(Schema.Array(Schema.String))
}).annotations({ identifier: "LangGraphThreadSearch" })
export type ThreadSearch = typeof ThreadSearch.Type

export const AssistantSearch = Schema.Struct({
  graph_id: optional(Schema.String),
  name: optional(Schema.String),
  metadata: optional(JsonObject),
  limit,
  offset,
  sort_by: optional(Schema.Literal("assistant_id", "graph_id", "name", "created_at", "updated_at")),
  sort_order: optional(Schema.Literal("asc", "desc")),
  select: optional(Schema.Array(Schema.String))
}).annotations({ identifier: "LangGraphAssistantSearch" })
export type AssistantSearch = typeof AssistantSearch.Type

const Checkpoint = Schema.Struct({ checkpoint_id: optional(Schema.String) }, {
  key: Schema.String,
  value: Schema.Unknown
})

export const HistoryBody = Schema.Struct({
  limit,
  before: optional(Schema.Union(
    Schema.String,
    Checkpoint,
    Schema.Struct({
      configurable: Checkpoint
    }, { key: Schema.String, value: Schema.Unknown })
  )),
  metadata: optional(JsonObject),
  checkpoint: optional(Checkpoint)
}).annotations({ identifier: "LangGraphHistory" })
export type HistoryBody = typeof HistoryBody.Type

export const StateBody = Schema.Struct({
  checkpoint: Checkpoint,
  subgraphs: optional(Schema.Boolean)
}).annotations({ identifier: "LangGraphStateOfCheckpoint" })
