/** What this protocol's clients read. */
import { Schema } from "effect"
import { JsonObject } from "../../../domain/Json.ts"
import { named } from "../../api/Operation.ts"

const textOrNull = Schema.NullOr(Schema.String)
const strings = Schema.Array(Schema.String)

/** The statuses of executions. One that waits for a person or for its client has not ended, and is `running`. */
export const ExecutionStatus = Schema.Literal("queued", "running", "completed", "failed", "cancelled", "timeout")
export type ExecutionStatus = typeof ExecutionStatus.Type

export const Usage = Schema.Struct({
  input_tokens: Schema.Int,
  output_tokens: Schema.Int,
  /** US dollars with six digits behind the point; what has no known price counts as nothing. */
  cost_usd: Schema.Number,
  unpriced_calls: Schema.Int,
  llm_calls: Schema.Int,
  /** Null where only the whole execution tells it: in lists and trees. */
  tool_calls: Schema.NullOr(Schema.Int),
  models_used: strings,
  duration_ms: Schema.Int
}).annotations({ identifier: "ExecutionUsage" })
export type Usage = typeof Usage.Type

export const Result = Schema.Struct({
  /** The JSON that was asked for by a schema; else the text. Null where there is no such JSON. */
  output: Schema.Unknown,
  raw_text: Schema.String,
  stop_reason: Schema.String,
  validation_errors: strings
}).annotations({ identifier: "ExecutionResult" })
export type Result = typeof Result.Type

export const Invoked = Schema.Struct({
  execution_id: Schema.String,
  agent_id: Schema.String,
  status: ExecutionStatus,
  result: Schema.NullOr(Result),
  usage: Usage,
  error: textOrNull
}).annotations({ identifier: "InvokeResponse" })

export const Queued = named(
  "InvokeQueued",
  Schema.Struct({
    execution_id: Schema.String,
    agent_id: Schema.String,
    status: Schema.Literal("queued"),
    poll_url: Schema.String
  }),
  202
)

export const Answered = Schema.Struct({
  session_id: Schema.String,
  ...Invoked.fields,
  turn_count: Schema.Int
}).annotations({ identifier: "ChatResponse" })

const execution = {
  execution_id: Schema.String,
  agent_id: Schema.String,
  status: ExecutionStatus,
  message: Schema.String,
  input: JsonObject,
  result: Schema.NullOr(Result),
  error: textOrNull,
  usage: Usage,
  session_id: Schema.String,
  parent_execution_id: textOrNull,
  root_execution_id: Schema.String,
  delegation_depth: Schema.Int,
  /** What sent it: `user`, `channel`, `schedule`, `task` or `agent`. */
  source: Schema.String,
  /** What a running one waits for: a person's permission, or a result from its client. */
  waiting_for: Schema.NullOr(Schema.Literal("permission", "external_result")),
  retried_from: textOrNull,
  started_at: textOrNull,
  completed_at: textOrNull,
  created_at: Schema.String
}

export const Execution = Schema.Struct(execution).annotations({ identifier: "ExecutionResponse" })
export type Execution = typeof Execution.Type

export const TreeNode = Schema.Struct({
  ...execution,
  /** Of the execution and all that it has started. */
  total_usage: Usage
}).annotations({ identifier: "WorkflowExecution" })
export type TreeNode = typeof TreeNode.Type

export const Cancelled = Schema.Struct({
  execution_id: Schema.String,
  status: Schema.Literal("cancelled")
}).annotations({ identifier: "ExecutionCancelled" })

const Told = Schema.Struct({ channel: Schema.String, target: Schema.String })

export const AgentInfo = Schema.Struct({
  id: Schema.String,
  description: Schema.String,
  display_name: Schema.String,
  tags: strings,
  version: textOrNull,
  skills: strings,
  tools: strings,
  model: textOrNull,
  schedules: strings,
  execution_mode: Schema.Literal("sync", "async"),
  notifications: Schema.NullOr(Schema.Struct({
    on_complete: Schema.Array(Told),
    on_error: Schema.Array(Told),
    on_timeout: Schema.Array(Told)
  })),
  input_schema: Schema.NullOr(JsonObject),
  output_schema: Schema.NullOr(JsonObject),
  retrievers: strings,
  context_file_count: Schema.Int,
  memory_enabled: Schema.Boolean,
  /** Whether it can answer: it has a model, or is code. */
  enabled: Schema.Boolean,
  /** A personal agent is configured by each of its users. */
  scope: Schema.Literal("global", "personal"),
  /** It lacks something that you have to tell it first: `POST /agents/{id}/config`. */
  setup_required: Schema.Boolean
}).annotations({ identifier: "AgentInfo" })
export type AgentInfo = typeof AgentInfo.Type

export const SessionInfo = Schema.Struct({
  session_id: Schema.String,
  agent_id: Schema.String,
  turn_count: Schema.Int,
  message_count: Schema.Int,
  /** Seconds since 1970. */
  created_at: Schema.Int,
  updated_at: Schema.Int
}).annotations({ identifier: "SessionInfo" })

export const Deleted = Schema.Struct({ deleted: Schema.Literal(true) }).annotations({ identifier: "GatewayDeleted" })

export const Conversation = Schema.Struct({
  conversation_id: Schema.String,
  agent_id: Schema.String,
  user_id: Schema.String,
  title: Schema.String,
  summary: Schema.Null,
  message_count: Schema.Int,
  created_at: Schema.String,
  updated_at: Schema.String,
  ended_at: Schema.Null
}).annotations({ identifier: "GatewayConversation" })

export const ConversationMessage = Schema.Struct({
  message_id: Schema.String,
  conversation_id: Schema.String,
  role: Schema.String,
  content: Schema.String,
  created_at: Schema.String
}).annotations({ identifier: "ConversationMessage" })

export const ToolInfo = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** Of the server's code, of the operator's files, or run by a client. */
  source: Schema.Literal("code", "file", "client"),
  parameters: JsonObject
}).annotations({ identifier: "ToolInfo" })

export const SkillInfo = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  description: Schema.String,
  tools: strings,
  has_workflow: Schema.Boolean,
  step_count: Schema.Int
}).annotations({ identifier: "SkillInfo" })

export const Compacted = Schema.Struct({
  agent_id: Schema.String,
  /** Always 0: what is remembered of everything is the operator's. */
  global_compacted: Schema.Int,
  /** How many things that the agent remembers of you others stand for now. */
  user_compacted: Schema.Int
}).annotations({ identifier: "MemoryCompacted" })

const schedule = {
  id: Schema.String,
  agent_id: Schema.String,
  name: Schema.String,
  cron_expr: Schema.String,
  enabled: Schema.Boolean,
  timezone: Schema.String,
  source: Schema.Literal("workspace", "admin"),
  next_run_at: textOrNull,
  last_run_at: textOrNull,
  created_at: Schema.String
}

export const ScheduleInfo = Schema.Struct(schedule).annotations({ identifier: "ScheduleInfo" })

export const ScheduleDetail = Schema.Struct({
  ...schedule,
  message: Schema.String,
  instructions: textOrNull,
  input: JsonObject
}).annotations({ identifier: "ScheduleDetail" })

const ScheduleDone = <Status extends string>(status: Status) => ({
  status: Schema.Literal(status),
  schedule_id: Schema.String
})

export const ScheduleCreated = named("GatewayScheduleCreated", Schema.Struct(ScheduleDone("created")), 201)
export const SchedulePaused = Schema.Struct(ScheduleDone("paused"))
export const ScheduleResumed = Schema.Struct(ScheduleDone("resumed"))
export const ScheduleDeleted = Schema.Struct(ScheduleDone("deleted"))
export const ScheduleTriggered = named(
  "GatewayScheduleTriggered",
  Schema.Struct({
    ...ScheduleDone("triggered"),
    fire_id: Schema.String,
    /** Null where the run has not begun within some seconds: it waits for another one of the schedule. */
    execution_id: textOrNull
  }),
  202
)

const Delivery = Schema.Struct({
  id: Schema.String,
  execution_id: textOrNull,
  agent_id: textOrNull,
  event_type: Schema.String,
  channel: Schema.String,
  target: Schema.String,
  status: Schema.Literal("pending", "delivered", "failed"),
  attempts: Schema.Int,
  last_error: textOrNull,
  created_at: Schema.String,
  delivered_at: textOrNull
}).annotations({ identifier: "NotificationDelivery" })

export const Deliveries = Schema.Struct({
  items: Schema.Array(Delivery),
  total: Schema.Int,
  limit: Schema.Int,
  offset: Schema.Int
}).annotations({ identifier: "NotificationDeliveries" })

export const McpServer = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  transport: Schema.Literal("stdio", "streamable_http"),
  command: textOrNull,
  args: strings,
  url: textOrNull,
  header_keys: strings,
  env_keys: strings,
  enabled: Schema.Boolean,
  credential_keys: strings,
  has_env: Schema.Boolean,
  auth_type: Schema.Literal("none", "static_header", "oauth2_client_credentials", "oauth2_authorization_code")
}).annotations({ identifier: "GatewayMcpServer" })

export const McpTest = Schema.Struct({
  success: Schema.Boolean,
  tool_count: Schema.Int,
  tools: strings,
  error: textOrNull,
  error_code: textOrNull
}).annotations({ identifier: "GatewayMcpTest" })

export const Health = Schema.Struct({
  status: Schema.Literal("ok", "degraded"),
  /** Tools of the server; agents and skills are each tenant's own, and are not told to everybody. */
  tool_count: Schema.Int
}).annotations({ identifier: "GatewayHealth" })

export const Config = Schema.Struct({
  user_id: Schema.String,
  agent_id: Schema.String,
  instructions: textOrNull,
  config_values: JsonObject,
  /** The names of secrets, each with three asterisks. */
  secrets: Schema.Record({ key: Schema.String, value: Schema.String }),
  setup_completed: Schema.Boolean,
  created_at: Schema.String,
  updated_at: Schema.String
}).annotations({ identifier: "GatewayConfig" })

export const Configured = Schema.Struct({
  user_id: Schema.String,
  agent_id: Schema.String,
  setup_completed: Schema.Boolean
}).annotations({ identifier: "GatewayConfigured" })

export const Reloaded = Schema.Struct({
  status: Schema.Literal("ok"),
  agents: Schema.Int,
  tools: Schema.Int,
  skills: Schema.Int,
  message: Schema.String
}).annotations({ identifier: "GatewayReloaded" })

export const SetupSchema = Schema.Struct({
  agent_id: Schema.String,
  scope: Schema.Literal("global", "personal"),
  setup_schema: Schema.NullOr(JsonObject)
}).annotations({ identifier: "SetupSchema" })
