import { Schema } from "effect"
import { AgentId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { FallbackModelConfigs } from "./Model.ts"
import { ClientTools, ClientToolsInput } from "./Tool.ts"

const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value, nullable: true })

const shortText = (maximum: number) => ({ type: "string", maxLength: maximum })

/** When and how the context is compacted. Ratios are of the model's context size; the limit is in tokens. */
const ContextConfig = Schema.Struct({
  trigger_ratio: withDefault(Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThan(0.9)), 0.8),
  reserve_ratio: withDefault(Schema.Number.pipe(Schema.greaterThanOrEqualTo(0), Schema.lessThan(0.9)), 0.1),
  compression_prompt: withDefault(
    Schema.String,
    "Summarise the conversation so far, so that the work can go on from the summary alone."
  ),
  summary_template: withDefault(
    Schema.String,
    "Task: {task_overview}\nState: {current_state}\nFindings: {important_discoveries}\nNext: {next_steps}\nKeep: {context_to_preserve}"
  ),
  summary_schema: withDefault(JsonObject, {
    type: "object",
    properties: {
      task_overview: shortText(300),
      current_state: shortText(300),
      important_discoveries: shortText(300),
      next_steps: shortText(200),
      context_to_preserve: shortText(300)
    },
    required: ["task_overview", "current_state", "important_discoveries", "next_steps", "context_to_preserve"]
  }),
  tool_result_limit: withDefault(Schema.Int.pipe(Schema.positive()), 3000)
}).annotations({ identifier: "ContextConfig" })

/** Most rounds of model call and tool calls that an agent may be given. */
const maxMaxIters = 1000

const ReActConfig = Schema.Struct({
  /** Rounds of model call and tool calls before the run gives up. */
  max_iters: withDefault(Schema.Int.pipe(Schema.between(1, maxMaxIters)), 20),
  stop_on_reject: withDefault(Schema.Boolean, false)
}).annotations({ identifier: "ReActConfig" })

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256))
const prompt = Schema.String.pipe(Schema.maxLength(128 * 1024))

const AgentData = Schema.Struct({
  id: AgentId,
  name,
  system_prompt: prompt,
  context_config: ContextConfig,
  react_config: ReActConfig,
  /** Tools that the client runs itself. */
  client_tools: Schema.optionalWith(ClientTools, { default: () => [] }),
  /** The value for sessions that name none of their own. */
  fallback_chat_model_configs: Schema.optionalWith(FallbackModelConfigs, { default: () => [] })
}).annotations({ identifier: "AgentData" })

/** Who an agent is. The model and the state of an exchange belong to the session. */
export const Agent = Schema.Struct({
  id: AgentId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  data: AgentData
}).annotations({ identifier: "AgentRecord" })
export interface Agent extends Schema.Schema.Type<typeof Agent> {}

export const AgentDraft = Schema.Struct({
  name,
  system_prompt: withDefault(prompt, "You're a helpful assistant."),
  context_config: withDefault(ContextConfig, Schema.decodeSync(ContextConfig)({})),
  react_config: withDefault(ReActConfig, Schema.decodeSync(ReActConfig)({})),
  client_tools: withDefault(ClientToolsInput, []),
  fallback_chat_model_configs: withDefault(FallbackModelConfigs, [])
}).annotations({ identifier: "AgentDraft" })
export type AgentDraft = typeof AgentDraft.Type

/** Null and absent fields keep their stored values. */
export const AgentPatch = Schema.Struct({
  name: Schema.optional(Schema.NullOr(name)),
  system_prompt: Schema.optional(Schema.NullOr(prompt)),
  context_config: Schema.optional(Schema.NullOr(ContextConfig)),
  react_config: Schema.optional(Schema.NullOr(ReActConfig)),
  client_tools: Schema.optional(Schema.NullOr(ClientToolsInput)),
  fallback_chat_model_configs: Schema.optional(Schema.NullOr(FallbackModelConfigs))
}).annotations({ identifier: "AgentPatch" })
export type AgentPatch = typeof AgentPatch.Type

export const patchAgent = (agent: Agent, patch: AgentPatch, now: Timestamp): Agent => ({
  ...agent,
  updated_at: now,
  data: {
    ...agent.data,
    ...(patch.name != null && { name: patch.name }),
    ...(patch.system_prompt != null && { system_prompt: patch.system_prompt }),
    ...(patch.context_config != null && { context_config: patch.context_config }),
    ...(patch.react_config != null && { react_config: patch.react_config }),
    ...(patch.client_tools != null && { client_tools: patch.client_tools }),
    ...(patch.fallback_chat_model_configs != null && {
      fallback_chat_model_configs: patch.fallback_chat_model_configs
    })
  }
})
