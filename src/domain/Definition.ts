/** What the operator writes down about agents, tools and skills: the front matter of their files, and what is wrong with one. */
import { Schema } from "effect"
import { AgentTools } from "./Agent.ts"
import { AgentChannels } from "./Channel.ts"
import { UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { MailAddress, NotificationKind } from "./Notification.ts"
import { OutputSchema } from "./OutputSchema.ts"
import { isBlank } from "./Text.ts"

/** The name of a definition's folder. */
export const DefinitionId = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9][a-z0-9_-]{0,63}$/, {
    message: () => "Expected 1 to 64 small letters, digits, dashes or underscores, a letter or digit first"
  })
)
export type DefinitionId = typeof DefinitionId.Type

/** Most names in a list: skills, tools, agents, files. */
const maxNames = 64

/** Longest instructions of a schedule, and longest message of one, in characters. */
const maxInstructions = 4_000
const maxMessage = 16 * 1024

const text = (maximum: number) => Schema.String.pipe(Schema.maxLength(maximum))
const filled = (maximum: number) => text(maximum).pipe(Schema.minLength(1))
const ids = Schema.Array(DefinitionId).pipe(Schema.maxItems(maxNames))

const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: NoInfer<A>) =>
  Schema.optionalWith(schema, { default: () => value, nullable: true })

const nullable = <A, I>(schema: Schema.Schema<A, I>) => withDefault(Schema.NullOr(schema), null)

/** `<credential>/<model>`, where the credential is the name, the id or the provider of one of the caller's. */
const ModelName = Schema.String.pipe(
  Schema.pattern(/^[^/:]{1,128}[/:]\S{1,256}$/, {
    message: () => "Expected a provider and a model such as openai/gpt-5-mini"
  })
)

const maxFallbacks = 5

/** The model of an agent; a name alone is the same as `{ name }`. */
const ModelChoice = Schema.Struct({
  name: ModelName,
  temperature: Schema.optionalWith(Schema.Number.pipe(Schema.between(0, 2)), { exact: true }),
  max_tokens: Schema.optionalWith(Schema.Int.pipe(Schema.between(1, 100_000_000)), { exact: true }),
  /** Asked in their order when the ones before them fail. */
  fallback: withDefault(Schema.Union(ModelName, Schema.Array(ModelName).pipe(Schema.maxItems(maxFallbacks))), [])
})

/** A time at which the agent works by itself. */
const ScheduleEntry = Schema.Struct({
  name: Schema.String.pipe(
    Schema.pattern(/^[a-zA-Z0-9_.-]{1,128}$/, {
      message: () => "Expected 1 to 128 letters, digits, dots, dashes or underscores"
    })
  ),
  cron: filled(128),
  message: filled(maxMessage),
  input: withDefault(JsonObject, {}),
  enabled: withDefault(Schema.Boolean, true),
  timezone: nullable(filled(64)),
  instructions: withDefault(text(maxInstructions), ""),
  /** The tenants for whom it runs. */
  users: withDefault(Schema.Array(UserId).pipe(Schema.maxItems(maxNames)), [])
})

export type ScheduleEntry = typeof ScheduleEntry.Type

/** Whom to tell: an address, or a receiver of the operator's settings by its name. */
const NotificationTarget = Schema.Struct({
  channel: NotificationKind,
  /** The address of an e-mail, or the name of a receiver. */
  target: nullable(filled(512)),
  url: nullable(
    filled(2_048).pipe(
      Schema.pattern(/^https?:\/\/[^\s#]+$/, { message: () => "Expected an address such as https://example.com/hook" }),
      Schema.filter((url) => URL.canParse(url) || "Expected an address such as https://example.com/hook")
    )
  ),
  /** The text of a message. */
  template: nullable(filled(4_000)),
  /** The body of a webhook: JSON with variables in its texts. */
  payload_template: nullable(filled(4_000))
}).annotations({ parseOptions: { onExcessProperty: "error" } }).pipe(
  Schema.filter(({ channel, payload_template, target, url }) => {
    if (payload_template !== null && channel !== "webhook") return "Expected payload_template of a webhook only"
    if (channel === "email") {
      return url === null && Schema.is(MailAddress)(target) || "Expected an e-mail address as the target, and no url"
    }
    return (url === null) !== (target === null) || "Expected a url, or the name of a receiver as the target"
  })
)
export type NotificationTarget = typeof NotificationTarget.Type

const targets = withDefault(Schema.Array(NotificationTarget).pipe(Schema.maxItems(8)), [])

const NotificationTargets = Schema.Struct({ on_complete: targets, on_error: targets, on_timeout: targets })
  .annotations({ parseOptions: { onExcessProperty: "error" } })
export type NotificationTargets = typeof NotificationTargets.Type

const MemoryChoice = Schema.Struct({
  enabled: withDefault(Schema.Boolean, false),
  auto_extract: withDefault(Schema.Boolean, false),
  max_injected_chars: withDefault(Schema.Int.pipe(Schema.between(0, 100_000)), 4_000),
  max_memory_md_lines: withDefault(Schema.Int.pipe(Schema.between(1, 10_000)), 200)
})

/** A path within the agent's folder, or within that of all agents. */
const ContextPath = Schema.String.pipe(
  Schema.maxLength(512),
  Schema.filter((path) =>
    path !== "" && !/[\\\0]/.test(path) &&
      path.split("/").every((part) => part !== "" && part !== "." && part !== "..") ||
    "Expected a path below the folder of the agent"
  )
)

/** Who sees an agent: all tenants, or these. */
const Audience = Schema.Union(
  Schema.Literal("all"),
  Schema.Array(UserId).pipe(Schema.maxItems(1_000))
)

/** The front matter of `AGENT.md`. */
export const AgentFrontMatter = Schema.Struct({
  description: withDefault(text(4_096), ""),
  display_name: nullable(filled(256)),
  tags: withDefault(Schema.Array(filled(64)).pipe(Schema.maxItems(maxNames)), []),
  version: nullable(Schema.Union(filled(64), Schema.Number)),
  skills: withDefault(ids, []),
  /** Which of the server's tools and of those of the folder it has beside those of its skills. */
  tools: withDefault(AgentTools, "default"),
  model: nullable(Schema.Union(ModelName, ModelChoice)),
  max_iters: withDefault(Schema.Int.pipe(Schema.between(1, 1_000)), 20),
  schedules: withDefault(Schema.Array(ScheduleEntry).pipe(Schema.maxItems(maxNames)), []),
  execution_mode: withDefault(Schema.Literal("sync", "async"), "sync"),
  notifications: nullable(NotificationTargets),
  input_schema: nullable(OutputSchema),
  output_schema: nullable(OutputSchema),
  /** The agents that it may hand work to; empty is all. */
  delegates_to: withDefault(ids, []),
  scope: withDefault(Schema.Literal("global", "personal"), "global"),
  setup_schema: nullable(OutputSchema),
  context: withDefault(Schema.Array(ContextPath).pipe(Schema.maxItems(maxNames)), []),
  retrievers: withDefault(ids, []),
  memory: nullable(MemoryChoice),
  mcp_servers: withDefault(ids, []),
  enabled: withDefault(Schema.Boolean, true),
  users: withDefault(Audience, "all"),
  channels: withDefault(AgentChannels, "all")
}).annotations({ parseOptions: { onExcessProperty: "error" } })
export type AgentFrontMatter = typeof AgentFrontMatter.Type

const ToolParameter = Schema.Struct({
  type: withDefault(Schema.Literal("string", "number", "integer", "boolean", "array", "object"), "string"),
  description: withDefault(text(1_024), ""),
  required: withDefault(Schema.Boolean, false),
  enum: Schema.optionalWith(Schema.Array(Schema.Unknown).pipe(Schema.minItems(1), Schema.maxItems(256)), {
    exact: true
  }),
  default: Schema.optionalWith(Schema.Unknown, { exact: true })
})

const parameterName = Schema.String.pipe(Schema.pattern(/^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/))

/** A variable of the server's environment. The server's own stay its own: they hold its secrets. */
const VariableName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
    message: () => "Expected the name of a variable: letters, digits and underscores, no digit first"
  }),
  Schema.filter((name) => !/^STOA_/i.test(name) || "Expected another variable: those of STOA_ are the server's own")
)

/** The front matter of `TOOL.md`. */
export const ToolFrontMatter = Schema.Struct({
  name: nullable(DefinitionId),
  description: Schema.String.pipe(
    Schema.maxLength(4_096),
    Schema.filter((description) => !isBlank(description) || "Expected a text: the model chooses the tool by it")
  ),
  parameters: withDefault(Schema.Record({ key: parameterName, value: ToolParameter }), {}),
  permissions: withDefault(
    Schema.Struct({
      /** Empty is all agents that name it. */
      allowed_agents: withDefault(ids, []),
      /** Somebody is asked before each call. */
      require_approval: withDefault(Schema.Boolean, false)
    }),
    { allowed_agents: [], require_approval: false }
  ),
  /** Running it twice does no harm: after a crash it is run again. */
  idempotent: withDefault(Schema.Boolean, false),
  timeout_seconds: withDefault(Schema.Number.pipe(Schema.between(0.1, 3_600)), 30),
  /** Variables of the environment that the handler may read, beside a few harmless ones. */
  env: withDefault(Schema.Array(VariableName).pipe(Schema.maxItems(maxNames)), []),
  /** A shell command that runs in the agent's workspace; without it the folder has a handler. */
  command: nullable(filled(16 * 1024))
}).annotations({ parseOptions: { onExcessProperty: "error" } })
export type ToolFrontMatter = typeof ToolFrontMatter.Type

/** Most tools that a step calls at the same time. */
const maxParallel = 10

/** A tool of the folder, of the server or of an MCP server, or a skill with steps. */
const StepTool = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, { message: () => "Expected the name of a tool" })
)

const SkillStep = Schema.Struct({
  name: DefinitionId,
  tool: Schema.optionalWith(StepTool, { exact: true }),
  /** Called at the same time; a name alone is given the step's input. */
  tools: Schema.optionalWith(
    Schema.Array(
      Schema.Union(StepTool, Schema.Struct({ tool: StepTool, input: withDefault(JsonObject, {}) }))
    ).pipe(Schema.minItems(1), Schema.maxItems(maxParallel)),
    { exact: true }
  ),
  prompt: Schema.optionalWith(filled(maxMessage), { exact: true }),
  /** Values, and references to the workflow's input and to what steps before have brought. */
  input: withDefault(JsonObject, {}),
  system_prompt: nullable(filled(maxMessage)),
  /** The answer to the prompt is JSON of this schema. */
  output_schema: nullable(OutputSchema),
  /** With `continue` a failure is what the step has brought. */
  on_error: withDefault(Schema.Literal("stop", "continue"), "stop")
}).annotations({ parseOptions: { onExcessProperty: "error" } }).pipe(
  Schema.filter(({ output_schema, prompt, system_prompt, tool, tools }) =>
    [prompt, tool, tools].filter((what) => what !== undefined).length !== 1
      ? "Expected exactly one of tool, tools and prompt"
      : prompt !== undefined || (output_schema === null && system_prompt === null) ||
        "Expected system_prompt and output_schema beside a prompt only"
  )
)
export type SkillStep = typeof SkillStep.Type

/** The front matter of `SKILL.md`. Fields that are not known here are left alone: skills come from elsewhere too. */
export const SkillFrontMatter = Schema.Struct({
  name: nullable(filled(64)),
  description: Schema.String.pipe(
    Schema.maxLength(1_024),
    Schema.filter((description) => !isBlank(description) || "Expected a text: an agent finds the skill by it")
  ),
  tools: withDefault(ids, []),
  /** With steps the skill is a workflow, which agents call as a tool of the skill's name. */
  steps: withDefault(Schema.Array(SkillStep).pipe(Schema.maxItems(maxNames)), []),
  /** What the workflow is given; without it whatever its steps refer to. */
  input_schema: nullable(OutputSchema),
  /** How long the workflow may work at one go; the time in which it waits for a person does not count. */
  timeout_seconds: withDefault(Schema.Number.pipe(Schema.between(1, 3_600)), 300)
})
export type SkillFrontMatter = typeof SkillFrontMatter.Type

/** Something wrong in the folder. Lines and columns begin at 1; both are 0 where it is about a file or folder as a whole. */
export const Fault = Schema.Struct({
  /** A warning keeps nothing from being served. */
  level: Schema.Literal("error", "warning"),
  /** Relative to the folder of definitions. */
  file: Schema.String,
  line: Schema.Int,
  column: Schema.Int,
  message: Schema.String,
  /** What to do about it. */
  fix: Schema.String
}).annotations({ identifier: "DefinitionFault" })
export type Fault = typeof Fault.Type

/** As compilers say it: `agents/ada/AGENT.md:3:8`. */
export const placeOf = ({ column, file, line }: Fault): string => line === 0 ? file : `${file}:${line}:${column}`

export const sentenceOf = (fault: Fault): string => `${placeOf(fault)}: ${fault.message} ${fault.fix}`

/** An agent of the folder. */
export interface AgentDefinition {
  readonly id: DefinitionId
  readonly front: AgentFrontMatter
  /** The prompt of all agents, the agent's own, and the files of its context, each whole. */
  readonly layers: {
    readonly shared: ReadonlyArray<string>
    readonly own: ReadonlyArray<string>
    readonly reference: ReadonlyArray<{ readonly name: string; readonly text: string }>
    /** What it remembers, of everything and of single tenants. */
    readonly memory: { readonly all: string; readonly of: ReadonlyMap<string, string> }
  }
}

/** A skill of the folder. */
export interface SkillDefinition {
  readonly id: DefinitionId
  readonly front: SkillFrontMatter
  /** What stands below the front matter. */
  readonly body: string
  /** Where each step stands in the file: line and column. */
  readonly places: ReadonlyArray<readonly [number, number]>
}

export const modelOf = ({ model }: AgentFrontMatter): typeof ModelChoice.Type | null =>
  typeof model === "string" ? { name: model, fallback: [] } : model

export const fallbackNames = ({ fallback }: { readonly fallback: string | ReadonlyArray<string> }) =>
  typeof fallback === "string" ? [fallback] : fallback

export const isVisibleTo = ({ front: { enabled, users } }: AgentDefinition, owner: UserId): boolean =>
  enabled && (users === "all" || users.includes(owner))

/** The tenants for whom a schedule runs: those that it names, or else those that its agent names. */
export const runsFor = (agent: AgentDefinition, { users }: ScheduleEntry): ReadonlyArray<UserId> => {
  const { front } = agent
  const named = users.length > 0 ? users : front.users === "all" ? [] : front.users
  return [...new Set(named)].filter((user) => isVisibleTo(agent, user))
}

/** The two parts of a model's name. */
export const modelParts = (name: string): { readonly provider: string; readonly model: string } => {
  const end = name.search(/[/:]/)
  return { provider: name.slice(0, end), model: name.slice(end + 1) }
}

/** What a reload has brought: how many of each there are now. */
export const Reloaded = Schema.Struct({
  /** One more with each reload; each process counts for itself. */
  revision: Schema.Int,
  agents: Schema.Int,
  tools: Schema.Int,
  skills: Schema.Int
}).annotations({ identifier: "Reloaded" })
export type Reloaded = typeof Reloaded.Type
