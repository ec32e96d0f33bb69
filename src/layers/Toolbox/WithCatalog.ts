/** A toolbox, and beside its tools those that the operator has defined, for the agents whose definitions or skills name them. */
import { Cause, type Context, Duration, Effect, Exit, Layer, Stream } from "effect"
import { hidden, type OpenConfig } from "../../domain/AgentConfig.ts"
import { type Offered, stepToolsOf, workflowsOf } from "../../domain/AgentWorkflows.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { argumentsIn } from "../../domain/permission/Arguments.ts"
import type { Settings } from "../../domain/Settings.ts"
import { AgentConfigs } from "../../services/AgentConfigs.ts"
import { Catalog, type ToolDefinition, toolsOf as definedToolsOf } from "../../services/Catalog.ts"
import { type Tool, Toolbox, type ToolCaller, type ToolPart } from "../../services/Toolbox.ts"
import { Workspace } from "../../services/Workspace.ts"
import * as HandlerThread from "../HandlerThread.ts"
import { ToolFailed } from "./BuiltInTool.ts"
import { failed, homeOf, opened } from "./tools/InWorkspace.ts"

/** Bytes that a command may print. */
const maxOutput = 1024 * 1024

/** Longest word of a command, in bytes: that is the kernel's own bound. */
const maxWord = 128 * 1024 - 1

/** Longest arguments, in characters, and most problems of them that are told. */
const maxInput = 256 * 1024
const maxProblems = 5

/** The model and the tenant read this, because a bug's own text may hold secrets. */
const bug = "The tool failed because of an internal error."
const busy = "The server is busy: too many tools run at the same time. Try again later."

/** Longest text of a bug in the log. */
const maxCause = 4_096

const specOf = ({ front: { description, idempotent }, id, parameters }: ToolDefinition): Tool => ({
  name: id,
  description,
  parameters,
  effect: "write",
  idempotent
})

/** Shortest text of a secret that is looked for: a shorter one stands in many texts by chance. */
const shortestSecret = 6

const textsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value === "string"
    ? [value]
    : typeof value === "object" && value !== null
    ? Object.values(value).flatMap(textsIn)
    : []

/** Takes the secrets of a user out of what a tool says: the model and the log need not know them. */
const hiding = (config: OpenConfig | undefined) => {
  const secrets = config === undefined ? [] : textsIn(config.secrets).filter(({ length }) => length >= shortestSecret)
  // As they stand in a text, and as they stand in JSON.
  const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1)])
  return (text: string) => forms.reduce((shown, form) => shown.replaceAll(form, hidden), text)
}

/** What a workflow does to the world is decided for each of its steps. */
const toolOf = ({ description, workflow }: Offered): Tool => ({
  name: workflow.id,
  description,
  parameters: workflow.input,
  effect: "none",
  idempotent: true,
  background: false,
  workflow
})

/** What is wrong with the arguments, in a line; undefined when nothing is. */
const problemIn = (tool: ToolDefinition, args: unknown) =>
  Effect.map(Effect.promise(() => import("@cfworker/json-schema")), ({ Validator }) => {
    const { errors, valid } = new Validator(tool.parameters, "2020-12", false).validate(args)
    return valid ? undefined : errors.slice(0, maxProblems).map(({ error }) => error).join(" ")
  })

const make = (
  own: Context.Tag.Service<Toolbox>,
  catalog: Context.Tag.Service<Catalog>,
  workspaces: Context.Tag.Service<Workspace>,
  configs: Context.Tag.Service<AgentConfigs>,
  threads: HandlerThread.HandlerThreads
) => {
  const toolsOf = ({ agent, step }: ToolCaller): ReadonlyArray<ToolDefinition> => {
    const { definition } = agent.data
    if (definition === undefined) return []
    const book = catalog.bookOf(agent)
    const found = book.agents.get(definition)
    if (found === undefined || book.tools.size === 0) return []
    return definedToolsOf(book, found, step === true ? stepToolsOf(book, found) : []).filter(({ id }) => !own.knows(id))
  }

  const workflowTools = ({ agent }: ToolCaller): ReadonlyArray<Tool> => {
    const book = catalog.bookOf(agent)
    const defined = agent.data.definition === undefined ? undefined : book.agents.get(agent.data.definition)
    return defined === undefined ? [] : workflowsOf(book, defined).map(toolOf)
  }

  const find = (caller: ToolCaller, name: string) => toolsOf(caller).find(({ id }) => id === name)

  const runCommand = Effect.fnUntraced(function*(
    tool: ToolDefinition,
    command: string,
    input: string,
    caller: ToolCaller,
    emit: (part: ToolPart) => void
  ) {
    if (new TextEncoder().encode(input).length > maxWord) {
      return yield* new ToolFailed({
        message: `The arguments of '${tool.id}' have more than ${maxWord} bytes as JSON, and a command takes no more.`
      })
    }
    const workspace = yield* opened(workspaces, caller)
    const { cwd } = yield* homeOf(workspaces)(caller)
    const program = yield* failed(workspace.spawn({
      // The arguments come as the first word: never as a part of the command.
      argv: ["bash", "-c", `cd "$2" && { ${command}\n}`, "bash", input, cwd],
      timeout: Duration.seconds(tool.front.timeout_seconds),
      maxOutput
    }))
    yield* program.endInput
    const decoder = new TextDecoder()
    yield* Stream.runForEach(
      Stream.merge(program.stdout, program.stderr),
      (bytes) => Effect.sync(() => emit({ type: "text", delta: decoder.decode(bytes, { stream: true }) }))
    )
    const { code, ended } = yield* program.exit
    if (code !== 0 || ended !== undefined) {
      return yield* new ToolFailed({ message: `\nThe command ended with ${ended ?? `exit code ${code ?? "none"}`}.` })
    }
    return ""
  })

  /** What the caller has told a personal agent. */
  const configOf = ({ agent, session: { user_id } }: ToolCaller) =>
    Effect.suspend(() => {
      const pinned = catalog.configOf(agent)
      if (pinned !== undefined) return Effect.succeed(pinned)
      const definition = catalog.bookOf(agent).agents.get(agent.data.definition ?? "")
      return definition?.front.scope === "personal"
        ? configs.open(user_id, { agent, definition })
        : Effect.succeed(undefined)
    })

  const runHandler = Effect.fnUntraced(function*(
    tool: ToolDefinition,
    module: HandlerThread.Module,
    args: unknown,
    caller: ToolCaller,
    tool_call_id: string
  ) {
    const { agent, session } = caller
    const config = yield* configOf(caller)
    const answer = yield* threads.run({
      owner: session.user_id,
      module,
      timeout: Duration.seconds(tool.front.timeout_seconds),
      call: {
        args,
        context: {
          user_id: session.user_id,
          session_id: session.id,
          agent_id: agent.id,
          tool_call_id,
          ...(config !== undefined && { config: { ...config.values, ...config.secrets } })
        }
      }
    })
    const text = hiding(config)(answer.text)
    if (answer.type === "done") return answer.failed ? yield* new ToolFailed({ message: text }) : text
    yield* Effect.annotateLogs(Effect.logError("A handler of a tool failed"), {
      tool: tool.id,
      cause: text.slice(0, maxCause)
    })
    return yield* new ToolFailed({ message: answer.type === "busy" ? busy : bug })
  })

  const run = Effect.fnUntraced(
    function*(
      tool: ToolDefinition,
      caller: ToolCaller,
      call: { readonly id: string; readonly input: string },
      emit: (part: ToolPart) => void
    ) {
      const args = call.input.length > maxInput ? undefined : argumentsIn(call.input)
      const problem = isObject(args) ? yield* problemIn(tool, args) : "the arguments are no JSON object"
      if (problem !== undefined) {
        return yield* new ToolFailed({ message: `Input validation failed for tool '${tool.id}': ${problem}` })
      }
      const { runs } = tool
      return runs.type === "command"
        ? yield* runCommand(tool, runs.command, JSON.stringify(args), caller, emit)
        : yield* runHandler(tool, { ...runs, env: tool.front.env }, args, caller, call.id)
    },
    Effect.scoped
  )

  return Toolbox.of({
    ...own,
    list: (caller) =>
      Effect.map(own.list(caller), (tools) => {
        const defined = [...toolsOf(caller).map(specOf), ...workflowTools(caller)]
        return defined.length === 0 ? tools : [...tools, ...defined]
      }),
    // The operator vouches for it, unless the definition wants somebody to be asked.
    effectOf: (caller, call) =>
      Effect.suspend(() => {
        const tool = find(caller, call.name)
        if (tool === undefined) return own.effectOf(caller, call)
        return Effect.succeed(tool.front.permissions.require_approval ? "write" as const : "read" as const)
      }),
    call: (caller, call, emit) =>
      Effect.suspend(() => {
        const tool = find(caller, call.name)
        if (tool === undefined) return own.call(caller, call, emit)
        return Effect.flatMap(Effect.exit(run(tool, caller, call, emit)), (exit) => {
          if (Exit.isSuccess(exit)) {
            if (exit.value !== "") emit({ type: "text", delta: exit.value })
            return Effect.succeed("success" as const)
          }
          if (Cause.isInterruptedOnly(exit.cause)) return Effect.interrupt
          const failure = Cause.failureOption(exit.cause)
          emit({ type: "text", delta: failure._tag === "Some" ? failure.value.message : bug })
          return Effect.succeed("error" as const)
        })
      })
  })
}

/** Adds them to the toolbox of a layer. So many handlers run at once. */
export const layer = <E, R>(
  own: Layer.Layer<Toolbox, E, R>,
  { handler_threads }: Pick<Settings, "handler_threads">
): Layer.Layer<Toolbox, E, R | AgentConfigs | Catalog | Workspace> =>
  Layer.effect(
    Toolbox,
    Effect.map(
      Effect.all([Toolbox, Catalog, Workspace, AgentConfigs]),
      (all) => make(...all, HandlerThread.make(handler_threads))
    )
  ).pipe(Layer.provide(own))
