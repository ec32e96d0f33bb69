import { Schema } from "effect"
import { AgentChannels } from "./Channel.ts"
import { AgentId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { ChatModelConfig, FallbackModelConfigs } from "./Model.ts"
import { isBlank } from "./Text.ts"
import { ClientTools, ClientToolsInput } from "./Tool.ts"

const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value, nullable: true })

const shortText = (maximum: number) => ({ type: "string", maxLength: maximum })

/** When and how the context is compacted. Ratios are of the model's context size; the limit is in tokens. */
const ContextConfig = Schema.Struct({
  trigger_ratio: withDefault(Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(0.9)), 0.8),
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
  tool_result_limit: withDefault(Schema.Int.pipe(Schema.positive()), 3000),
  /** Most pictures that a model is shown at once; null is as many as there are. */
  max_image_num: withDefault(Schema.NullOr(Schema.NonNegativeInt), null)
}).annotations({ identifier: "ContextConfig" })

/** Most rounds of model call and tool calls that an agent may be given. */
const maxMaxIters = 1000

/** Longest text that an interrupted reply would end with, in characters. */
const maxInterruptionMessage = 4096

const ReActConfig = Schema.Struct({
  /** Rounds of model call and tool calls before the run gives up. */
  max_iters: withDefault(Schema.Int.pipe(Schema.between(1, maxMaxIters)), 20),
  stop_on_reject: withDefault(Schema.Boolean, false),
  /** Rounds more for an answer that has to fit a schema. Nothing uses it yet, nor the two that follow. */
  structured_output_grace_iters: withDefault(Schema.Int.pipe(Schema.between(0, maxMaxIters)), 5),
  interruption_message: withDefault(
    Schema.String.pipe(Schema.maxLength(maxInterruptionMessage)),
    "The reply was interrupted. How can I help you?"
  ),
  interruption_raise_cancelled_error: withDefault(Schema.Boolean, false)
}).annotations({ identifier: "ReActConfig" })

/** Longest text that says what an agent can be asked for, in characters. */
const maxInviteDescription = 4096

/** Whether other agents may ask this one into their teams. Nothing uses it yet. */
const InviteConfig = Schema.Struct({
  invitable: withDefault(Schema.Boolean, false),
  invite_description: withDefault(Schema.NullOr(Schema.String.pipe(Schema.maxLength(maxInviteDescription))), null)
}).pipe(
  Schema.filter(({ invitable, invite_description }) =>
    !invitable || (invite_description !== null && !isBlank(invite_description)) ||
    "Expected an invite_description, because the agent is invitable"
  )
).annotations({ identifier: "InviteConfig" })

const noInvitation = Schema.decodeSync(InviteConfig)({})

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256))
const prompt = Schema.String.pipe(Schema.maxLength(128 * 1024))

/** Most tools that an agent may name. */
const maxTools = 128

/**
 * Which of the server's tools an agent has: those that are safe and small and that every agent has if it says nothing,
 * all, none, or these.
 */
export const AgentTools = Schema.Union(
  Schema.Literal("default", "all", "none"),
  Schema.Array(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128))).pipe(Schema.maxItems(maxTools))
)
export type AgentTools = typeof AgentTools.Type

/** Longest text that says what an agent is, and what a toolkit is for, in characters; and most toolkits of an agent. */
const maxDescription = 4096
const maxInstructions = 16 * 1024
const maxToolkits = 64

/** Client tools that belong together, and what a model is told of all of them. */
const Toolkit = Schema.Struct({
  name,
  instructions: Schema.String.pipe(Schema.maxLength(maxInstructions)),
  /** Names of the agent's client tools; one that is not there any more says nothing. */
  functions: Schema.Array(Schema.String.pipe(Schema.maxLength(64))).pipe(Schema.maxItems(64))
}).annotations({ identifier: "Toolkit" })
export type Toolkit = typeof Toolkit.Type

/** What only some protocols know of an agent. */
const described = {
  description: Schema.optional(Schema.String.pipe(Schema.maxLength(maxDescription))),
  toolkits: Schema.optional(Schema.Array(Toolkit).pipe(Schema.maxItems(maxToolkits)))
}

const AgentData = Schema.Struct({
  id: AgentId,
  name,
  system_prompt: prompt,
  context_config: ContextConfig,
  react_config: ReActConfig,
  invite_config: withDefault(InviteConfig, noInvitation),
  tools: Schema.optionalWith(AgentTools, { default: () => "default" }),
  /** Tools that the client runs itself. */
  client_tools: Schema.optionalWith(ClientTools, { default: () => [] }),
  /** The value for sessions that name none of their own. */
  fallback_chat_model_configs: Schema.optionalWith(FallbackModelConfigs, { default: () => [] }),
  /** The model of sessions that a channel makes; the others name their own. */
  chat_model_config: Schema.optionalWith(Schema.NullOr(ChatModelConfig), { default: () => null }),
  channels: Schema.optionalWith(AgentChannels, { default: () => "all" as const }),
  /** The name of the code that answers in the place of a model: an agent of the server's own program. */
  code: Schema.optionalWith(Schema.String, { exact: true }),
  /** The name of the operator's definition that says what the agent is. */
  definition: Schema.optionalWith(Schema.String, { exact: true }),
  ...described
}).annotations({ identifier: "AgentData" })

/** Who an agent is. The model and the state of an exchange belong to the session. */
export const Agent = Schema.Struct({
  id: AgentId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  data: AgentData
})
export interface Agent extends Schema.Schema.Type<typeof Agent> {}

/** An agent as it is shown. Whoever sees one may change it, but for those that the operator has defined. */
export const AgentView = Schema.Struct({
  ...Agent.fields,
  source: Schema.Literal("user"),
  editable: Schema.Boolean
}).annotations({ identifier: "AgentRecord" })
export type AgentView = typeof AgentView.Type

export const viewOf = (agent: Agent): AgentView => ({
  ...agent,
  source: "user",
  editable: agent.data.definition === undefined
})

export const AgentDraft = Schema.Struct({
  name,
  system_prompt: withDefault(prompt, "You're a helpful assistant."),
  context_config: withDefault(ContextConfig, Schema.decodeSync(ContextConfig)({})),
  react_config: withDefault(ReActConfig, Schema.decodeSync(ReActConfig)({})),
  invite_config: withDefault(InviteConfig, noInvitation),
  tools: withDefault(AgentTools, "default"),
  client_tools: withDefault(ClientToolsInput, []),
  fallback_chat_model_configs: withDefault(FallbackModelConfigs, []),
  chat_model_config: withDefault(Schema.NullOr(ChatModelConfig), null),
  channels: withDefault(AgentChannels, "all"),
  ...described
}).annotations({ identifier: "AgentDraft" })
export type AgentDraft = typeof AgentDraft.Type

/** Null and absent fields keep their stored values; only a null model takes it away. */
export const AgentPatch = Schema.Struct({
  name: Schema.optional(Schema.NullOr(name)),
  system_prompt: Schema.optional(Schema.NullOr(prompt)),
  context_config: Schema.optional(Schema.NullOr(ContextConfig)),
  react_config: Schema.optional(Schema.NullOr(ReActConfig)),
  invite_config: Schema.optional(Schema.NullOr(InviteConfig)),
  tools: Schema.optional(Schema.NullOr(AgentTools)),
  client_tools: Schema.optional(Schema.NullOr(ClientToolsInput)),
  fallback_chat_model_configs: Schema.optional(Schema.NullOr(FallbackModelConfigs)),
  chat_model_config: Schema.optional(Schema.NullOr(ChatModelConfig)),
  channels: Schema.optional(Schema.NullOr(AgentChannels)),
  ...described
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
    ...(patch.invite_config != null && { invite_config: patch.invite_config }),
    ...(patch.tools != null && { tools: patch.tools }),
    ...(patch.client_tools != null && { client_tools: patch.client_tools }),
    ...(patch.fallback_chat_model_configs != null && {
      fallback_chat_model_configs: patch.fallback_chat_model_configs
    }),
    ...(patch.chat_model_config !== undefined && { chat_model_config: patch.chat_model_config }),
    ...(patch.channels != null && { channels: patch.channels }),
    ...(patch.description !== undefined && { description: patch.description }),
    ...(patch.toolkits !== undefined && { toolkits: patch.toolkits })
  }
})
