/**
 * The events of our own. The catalogue of the Agent Service has one type for what others add, `CUSTOM`, so that strict
 * clients read these too; `name` tells them apart, and each has a `value` of its own shape. A name that only a newer
 * version knows is passed on and changes nothing.
 */
import { Schema } from "effect"
import { TaskStatus } from "./BackgroundTask.ts"
import { ElicitationOutcome, ElicitationQuestion } from "./Elicitation.ts"
import { event, reply, run } from "./EventBase.ts"
import { CredentialId, ElicitationId, MessageId, TaskId, ToolCallId } from "./Ids.ts"
import { JsonValue } from "./Json.ts"
import { Message, Offloaded } from "./Message.ts"
import { PermissionContext } from "./Permission.ts"
import { ErrorType } from "./RunError.ts"
import { noTodos, TodoList } from "./Todos.ts"

const custom = <const Name extends string, Fields extends Schema.Struct.Fields>(name: Name, value: Fields) =>
  event("CUSTOM", { name: Schema.Literal(name), value: Schema.Struct(value) }, `CUSTOM_${name}`)

/** An input waits for the run before it. */
const RunQueued = custom("run_queued", run)

/** The input as every subscriber sees it. */
const UserMessage = custom("user_message", { ...run, message: Message })

/** The run goes on after a crash; `attempt` is 2 for the first recovery. */
const RunResumed = custom("run_resumed", { ...run, attempt: Schema.Int })

/** The run waits for a person or for a client's tool. A stream that ends here has ended properly. */
const RunParked = custom("run_parked", {
  ...run,
  ...reply,
  waiting_for: Schema.Literal("user_confirmation", "external_execution")
})

const modelName = Schema.Struct({ type: Schema.String, model: Schema.String, credential_id: CredentialId })

/** The model of a reply failed before it said anything, and a fallback is asked. */
const ModelSwitched = custom("model_switched", {
  ...reply,
  from: modelName,
  to: modelName,
  /** `code` is one of a model's failures, such as `context_length`; the message names no secret. */
  error: Schema.Struct({ type: ErrorType, code: Schema.String, message: Schema.String })
})

/** Rules of permission or the plan have changed: the whole of both, as they are now. */
const StateUpdated = custom("state_updated", {
  tasks_context: TodoList,
  permission_context: PermissionContext
})

/**
 * From here on models are given the summary in the place of the messages up to and with `up_to`, or of its first `blocks`
 * where that is a number. Messages from `keeps_from` on are given beside it. The transcript keeps all of them.
 */
export const ContextCompacted = custom("context_compacted", {
  ...run,
  ...reply,
  /** The context had become too long, a model has refused it, or somebody has asked for it. */
  reason: Schema.Literal("size", "overflow", "requested"),
  /** A summary of the form that was asked for, a plain text, or none: then the older messages are left out. */
  method: Schema.Literal("summary", "text", "truncated"),
  summary: Schema.String,
  up_to: MessageId,
  blocks: Schema.NullOr(Schema.Int),
  keeps_from: MessageId,
  /** Estimates, of what the model is given before and after it. */
  tokens_before: Schema.Int,
  tokens_after: Schema.Int
})

/** Models are shown the beginning of a tool's result, and where the whole is: in a file of the workspace, or in the transcript alone. */
const ToolResultOffloaded = custom("tool_result_offloaded", {
  ...reply,
  tool_call_id: ToolCallId,
  ...Offloaded.fields
})

/** A hook of the operator has changed the arguments of a call before it was made. These are the ones that count. */
const ToolCallChanged = custom("tool_call_changed", { ...reply, tool_call_id: ToolCallId, input: Schema.String })

/** What an agent of the server's own program remembers in the session from here on. */
const AgentState = custom("agent_state", { ...reply, state: JsonValue })

/** The event that tells how the permissions of a session, and its plan, are now. */
export const stateUpdated = ({ permission_context, tasks_context = noTodos }: {
  readonly permission_context: PermissionContext
  readonly tasks_context?: TodoList | undefined
}) => ({
  type: "CUSTOM" as const,
  name: "state_updated" as const,
  value: { tasks_context, permission_context }
})

const ofTask = { task_id: TaskId, tool_call_id: ToolCallId }

/** A tool call takes long and goes on in the background. */
const TaskStarted = custom("task_started", { ...ofTask, tool_name: Schema.String })

/** What it has said since the last of these. */
const TaskOutput = custom("task_output", { ...ofTask, delta: Schema.String })

/** It has come to an end. What it has brought is told in a hint of the next reply, unless it was cancelled. */
const TaskEnded = custom("task_ended", { ...ofTask, tool_name: Schema.String, status: TaskStatus })

/** A tool's server asks a person something while the call is under way, and waits for the answer. */
const ElicitationRequested = custom("elicitation_requested", ElicitationQuestion.fields)

/** It does not wait any more. What was answered is between the person and the server. */
const ElicitationEnded = custom("elicitation_ended", {
  elicitation_id: ElicitationId,
  tool_call_id: ToolCallId,
  outcome: ElicitationOutcome
})

export const Custom = Schema.Union(
  RunQueued,
  UserMessage,
  RunResumed,
  RunParked,
  ModelSwitched,
  StateUpdated,
  TaskStarted,
  TaskOutput,
  TaskEnded,
  ContextCompacted,
  ToolResultOffloaded,
  ToolCallChanged,
  AgentState,
  ElicitationRequested,
  ElicitationEnded
)
  .annotations({ identifier: "CUSTOM" })
export type Custom = typeof Custom.Type
