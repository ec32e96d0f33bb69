/** Blocks of messages, permissions and records, in which both versions agree as far as they concern us. */
import { Schema } from "effect"
import { flag, given, list, number, object, orNull, text, whole } from "./Classes.ts"

/** When a block began and ended: the newest version has both, and needs neither. */
const times = { created_at: given(text), finished_at: orNull(text) }

export const textBlock = Schema.Struct({ type: Schema.Literal("text"), id: given(text), text, ...times })
const thinkingBlock = Schema.Struct({ type: Schema.Literal("thinking"), id: given(text), thinking: text, ...times })

/** Both versions want a whole URL here, with a scheme; the path of a stored file is none. See `knownDifferences`. */
const url = text.pipe(Schema.filter((url) => URL.canParse(url) || url.startsWith("/sessions/") || "Expected a URL"))

export const dataBlock = Schema.Struct({
  type: Schema.Literal("data"),
  id: given(text),
  name: orNull(text),
  source: Schema.Union(
    Schema.Struct({ type: Schema.Literal("base64"), data: text, media_type: text }),
    Schema.Struct({ type: Schema.Literal("url"), url, media_type: text })
  ),
  ...times
})

const media = Schema.Union(text, list(Schema.Union(textBlock, dataBlock)))

/** A hint as later versions have it: the first one knows texts alone. */
export const hint = media

const hintBlock = <A, I>(hint: Schema.Schema<A, I>) =>
  Schema.Struct({ type: Schema.Literal("hint"), id: given(text), hint, source: orNull(text), ...times })

export const permissionRule = Schema.Struct({
  tool_name: text,
  rule_content: Schema.NullOr(text),
  behavior: Schema.Literal("allow", "deny", "ask", "passthrough"),
  source: text
})

export const toolCallBlock = Schema.Struct({
  type: Schema.Literal("tool_call"),
  id: text,
  name: text,
  input: text,
  state: given(Schema.Literal("pending", "asking", "allowed", "submitted", "finished")),
  suggested_rules: given(list(permissionRule)),
  ...times
})

export const toolResultState = Schema.Literal("success", "error", "interrupted", "denied", "running")

export const toolResultBlock = Schema.Struct({
  type: Schema.Literal("tool_result"),
  id: text,
  name: text,
  output: media,
  state: given(toolResultState),
  metadata: given(object),
  ...times
})

/** A block of a message, with hints of this kind. */
export const blockWith = <A, I>(hint: Schema.Schema<A, I>) =>
  Schema.Union(textBlock, thinkingBlock, dataBlock, hintBlock(hint), toolCallBlock, toolResultBlock)

interface Content {
  readonly role: string
  readonly content: ReadonlyArray<{ readonly type: string }>
}

/** Only an assistant may say more than texts and data. */
export const fitsRole = ({ content, role }: Content) => {
  const allowed = role === "user" ? ["text", "data"] : role === "system" ? ["text"] : undefined
  return allowed === undefined || content.every(({ type }) => allowed.includes(type)) ||
    `Expected no such block in a message of role ${role}`
}

const rules = given(Schema.Record({ key: text, value: list(permissionRule) }))

export const permissionContext = Schema.Struct({
  mode: given(Schema.Literal("default", "accept_edits", "explore", "bypass", "dont_ask")),
  working_directories: given(
    Schema.Record({ key: text, value: Schema.Struct({ path: text, source: text }) })
  ),
  allow_rules: rules,
  deny_rules: rules,
  ask_rules: rules
})

export const tasksContext = Schema.Struct({
  tasks: given(list(Schema.Struct({
    id: given(text),
    subject: text,
    description: text,
    metadata: object,
    created_at: given(text),
    state: given(Schema.Literal("pending", "in_progress", "completed")),
    owner: orNull(text),
    blocks: given(list(text)),
    blocked_by: given(list(text))
  })))
})

export const chatModelConfig = Schema.Struct({ type: text, credential_id: text, model: text, parameters: object })

const record = { id: given(text), created_at: given(text), updated_at: given(text) }

const agentRecord = (limits: { readonly ratio: (ratio: number) => boolean }) =>
  Schema.Struct({
    ...record,
    user_id: text,
    data: Schema.Struct({
      id: given(text),
      name: text,
      system_prompt: text,
      context_config: Schema.Struct({
        trigger_ratio: given(number.pipe(Schema.filter(limits.ratio))),
        reserve_ratio: given(number),
        compression_prompt: given(text),
        summary_template: given(text),
        summary_schema: given(object),
        tool_result_limit: given(whole)
      }),
      react_config: Schema.Struct({ max_iters: given(whole), stop_on_reject: given(flag) })
    })
  })

const credentialRecord = Schema.Struct({ ...record, user_id: text, data: object })

const agentState = given(Schema.Struct({
  session_id: given(text),
  permission_context: given(permissionContext),
  tasks_context: given(tasksContext)
}))

const sessionRecord = (sources: ReadonlyArray<string>) =>
  Schema.Struct({
    ...record,
    user_id: text,
    agent_id: text,
    source: given(text.pipe(Schema.filter((source) => sources.includes(source)))),
    source_schedule_id: orNull(text),
    config: Schema.Struct({ workspace_id: text, name: given(text), chat_model_config: orNull(chatModelConfig) }),
    state: agentState
  })

const modelCard = Schema.Struct({
  type: given(Schema.Literal("chat_model")),
  name: text,
  label: text,
  status: Schema.Literal("active", "deprecated", "sunset"),
  deprecated_at: orNull(text),
  input_types: list(text),
  output_types: list(text),
  context_size: whole,
  output_size: whole,
  parameter_schema: object,
  parameters_overrides: Schema.Record({ key: text, value: object })
})

export interface RecordOptions {
  readonly ratio: (ratio: number) => boolean
  readonly sources: ReadonlyArray<string>
}

/** The classes of what is stored, with what differs between the versions. */
export const records = ({ ratio, sources }: RecordOptions) => ({
  AgentRecord: agentRecord({ ratio }),
  CredentialRecord: credentialRecord,
  SessionRecord: sessionRecord(sources),
  ModelCard: modelCard
})
