/** A provider through a package of the AI SDK, which is loaded when it is first used. */
import type {
  EmbeddingModelV3,
  EmbeddingModelV3CallOptions,
  LanguageModelV3,
  LanguageModelV3CallOptions,
  LanguageModelV3FunctionTool,
  LanguageModelV3Prompt,
  LanguageModelV3ToolChoice
} from "@ai-sdk/provider"
import { Effect } from "effect"
import { holding } from "../../../domain/AnswerObject.ts"
import { isBlank } from "../../../domain/Text.ts"
import {
  type EmitPart,
  ModelFailed,
  type StructuredOutput,
  type ToolChoice,
  type ToolSpec
} from "../../../services/Models.ts"
import { tidied } from "../families/Addresses.ts"
import * as Body from "../incoming/Body.ts"
import * as Calls from "../incoming/Calls.ts"
import type { End } from "../incoming/End.ts"
import * as Listing from "../Listing.ts"
import * as Provider from "../Provider.ts"
import type { Dialect } from "./Dialect.ts"
import * as AiSdkEmbed from "./Embed.ts"
import { failureOf, isAiSdkError } from "./Failure.ts"
import { hasOlderLink, type Reader, refusedMedia } from "./Media.ts"
import * as Outgoing from "./Outgoing.ts"
import * as Pace from "./Pace.ts"
import { prepare, promptOf } from "./Prompt.ts"
import { oddName, parametersFor, schemaFor } from "./Schemas.ts"
import * as AiSdkStream from "./Stream.ts"

/** Most models whose clients are kept per credential; the oldest goes first. */
const maxModels = 16

/** Longest path in a schema that an error repeats. */
const longestPath = 200

/** What a package makes of a credential. It gets everything from us and reads no environment. */
export interface Client {
  readonly chat: (model: string, dialect: Dialect) => LanguageModelV3
  readonly embedding?: (model: string) => EmbeddingModelV3
}

export type Options = Omit<LanguageModelV3CallOptions, "prompt" | "tools" | "toolChoice" | "responseFormat">

export interface Definition<Credential extends object, Parameters extends object>
  extends Pick<Provider.Definition<Credential, Parameters>, "type" | "title" | "fields" | "parameters" | "problems">
{
  readonly dialect: Dialect | ((call: Provider.ProviderCall<Credential, Parameters>) => Dialect)
  /** Loads the package. */
  readonly open: (credential: Credential, fetch: typeof globalThis.fetch) => Promise<Client>
  readonly options: (call: Provider.ProviderCall<Credential, Parameters>) => Options
  /** Marks in the prompt what the provider should keep. */
  readonly mark?: (
    prompt: LanguageModelV3Prompt,
    call: Provider.ProviderCall<Credential, Parameters>
  ) => LanguageModelV3Prompt
  /** Whether the provider itself makes answers of a schema; else the model is made to call a tool of that schema. */
  readonly structured: boolean | ((call: Provider.ProviderCall<Credential, Parameters>) => boolean)
  /** `now` is in milliseconds. */
  readonly listing: (credential: Credential, now: number) => Listing.Listing | ModelFailed
  /** Most texts of one request for embeddings, if fewer than the package believes. */
  readonly batch?: number
  /** Options that say how long vectors are to be; undefined without embeddings. */
  readonly dimensions?: (dimensions: number, model: string) => EmbeddingModelV3CallOptions["providerOptions"]
}

interface Opened {
  readonly client: Client
  readonly models: Map<string, LanguageModelV3>
}

/** Every request of a package's. */
const requests = Outgoing.through(Calls.fetch)

/** A client compiles its schemas on first use, so it is kept for as long as the credential stays the same object. */
const opener = <Credential extends object>(
  open: (credential: Credential, fetch: typeof globalThis.fetch) => Promise<Client>
) => {
  const known = new WeakMap<Credential, Opened>()
  return (credential: Credential): Effect.Effect<Opened, ModelFailed> =>
    Effect.suspend(() => {
      const before = known.get(credential)
      if (before !== undefined) return Effect.succeed(before)
      return Effect.clockWith((clock) =>
        Effect.tryPromise({ try: () => open(credential, requests), catch: (error) => ({ error }) }).pipe(
          // What is neither ours nor the package's own says that it could not be loaded.
          Effect.catchAll(({ error }) =>
            error instanceof ModelFailed || isAiSdkError(error)
              ? Effect.fail(failureOf(error, false, clock.unsafeCurrentTimeMillis()))
              : Effect.die(error)
          )
        )
      ).pipe(Effect.map((client) => {
        const opened = { client, models: new Map<string, LanguageModelV3>() }
        known.set(credential, opened)
        return opened
      }))
    })
}

const modelOf = ({ client, models }: Opened, name: string, dialect: Dialect): LanguageModelV3 => {
  const known = models.get(`${dialect.api ?? ""} ${name}`)
  if (known !== undefined) return known
  const model = client.chat(name, dialect)
  models.set(`${dialect.api ?? ""} ${name}`, model)
  if (models.size > maxModels) models.delete(models.keys().next().value!)
  return model
}

const toolOf =
  (dialect: Dialect, among: number) => ({ description, name, parameters }: ToolSpec): LanguageModelV3FunctionTool => ({
    type: "function",
    name,
    ...(!isBlank(description) && { description }),
    inputSchema: parametersFor(dialect, parameters, among),
    ...(dialect.looseTools === true && { strict: false })
  })

const choiceOf = (choice: ToolChoice): LanguageModelV3ToolChoice =>
  typeof choice === "string" ? { type: choice } : { type: "tool", toolName: choice.name }

const toolsOf = (tools: ReadonlyArray<LanguageModelV3FunctionTool>, choice: ToolChoice | undefined) =>
  tools.length > 0 && { tools: [...tools], ...(choice !== undefined && { toolChoice: choiceOf(choice) }) }

const schemaFormat = ({ name, schema }: StructuredOutput, dialect: Dialect) => ({
  responseFormat: { type: "json", schema: schemaFor(dialect, schema), ...(name !== undefined && { name }) }
} as const)

/** The answer as the arguments of a tool that the model has to call, unless it calls another. */
const byTool = (
  tools: ReadonlyArray<LanguageModelV3FunctionTool>,
  { schema }: StructuredOutput,
  name: string,
  dialect: Dialect
) => ({
  tools: [...tools, {
    type: "function",
    name,
    description: "Gives the final answer. Call it once, with the whole answer.",
    inputSchema: parametersFor(dialect, schema)
  }],
  toolChoice: tools.length > 0 ? { type: "required" } : { type: "tool", toolName: name }
} as const satisfies Pick<LanguageModelV3CallOptions, "tools" | "toolChoice">)

/** A name for the output's tool that none of the others has. */
const outputName = (tools: ReadonlyArray<ToolSpec>, { name }: StructuredOutput): string => {
  let free = name?.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 48) || "final_answer"
  while (tools.some((tool) => tool.name === free)) free += "_"
  return free
}

const ignore = () => {}

/** How the requests of a call are made, and what it tells while their answers are read. */
const requestsOf = ({ alive, charged, fetch, model }: Provider.ProviderCall<object, object>) => {
  let left = 0
  let end: End | undefined
  const skipped = (count: number) => void (left += count)
  const ended = (told: End) => void (end = told)
  const signs: Body.Signs = { alive: alive ?? ignore, charged: charged ?? ignore, ended, skipped }
  return {
    requests: { fetch, read: (response: Response) => Body.streamed(response, signs) },
    skipped: () => skipped(1),
    ended: () => end,
    /** Logs how much was left out, if anything was. */
    log: Effect.suspend(() =>
      left === 0
        ? Effect.void
        : Effect.logWarning("Parts of a provider's answer could not be read and were left out").pipe(
          Effect.annotateLogs({ model, skipped: left })
        )
    )
  }
}

const refused = (mediaType: string, model: string) =>
  new ModelFailed({
    type: "invalid_request",
    is_models: true,
    message:
      `The model ${model} does not take files of type ${mediaType} in this form: choose another model, or leave the file out.`,
    retryable: false
  })

/** The provider would refuse every call that names these tools. */
const oddTool = (tools: ReadonlyArray<ToolSpec>, { argument }: Dialect): ModelFailed | undefined => {
  if (argument === undefined) return undefined
  for (const { name, parameters } of tools) {
    const path = oddName(parameters, argument)
    if (path === undefined) continue
    return new ModelFailed({
      type: "invalid_request",
      is_models: true,
      message: `The tool '${name}' has an argument at ${
        path.slice(0, longestPath)
      } whose name this provider does not take: use up to 64 ASCII letters, digits, dots, dashes and underscores, or choose another model.`,
      retryable: false
    })
  }
  return undefined
}

export const make = <Credential extends object, Parameters extends object>(
  definition: Definition<Credential, Parameters>
): Provider.Provider => {
  const { batch, dialect, dimensions, listing, mark, options, structured } = definition
  const open = opener(definition.open)
  const addressed = tidied<Credential>()
  const isStructured = typeof structured === "boolean" ? () => structured : structured

  const optionsOf = (
    call: Provider.ProviderCall<Credential, Parameters>,
    reader: Reader,
    tools: ReadonlyArray<LanguageModelV3FunctionTool>,
    output: string | undefined
  ) => {
    const prompt = promptOf(call.system, call.messages, reader)
    return {
      ...options(call),
      prompt: mark === undefined ? prompt : mark(prompt, call),
      ...(call.output !== undefined && output !== undefined
        ? byTool(tools, call.output, output, reader.dialect)
        : {
          ...toolsOf(tools, call.tool_choice),
          ...(call.output !== undefined && schemaFormat(call.output, reader.dialect))
        })
    }
  }

  return Provider.make<Credential, Parameters>({
    ...definition,
    accepts: () => true,
    stream: (given, emit) =>
      Effect.suspend(() => {
        const call = {
          ...given,
          credential: addressed(given.credential),
          ...(given.output !== undefined && { output: { ...given.output, schema: holding(given.output.schema) } })
        }
        const { card, credential, credential_id, messages, model, tools } = call
        const spoken = typeof dialect === "function" ? dialect(call) : dialect
        const author = credential_id === undefined ? model : `${model} ${credential_id}`
        const reader = { dialect: spoken, author, takes: card?.input_types }
        const mediaType = refusedMedia(messages, reader)
        if (mediaType !== undefined) return Effect.fail(refused(mediaType, model))
        const odd = oddTool(tools, spoken)
        if (odd !== undefined) return Effect.fail(odd)
        const native = card?.structured_output ?? isStructured(call)
        const output = call.output === undefined || native ? undefined : outputName(tools, call.output)
        const { ended, log, requests, skipped } = requestsOf(call)
        let begun = false
        const take: EmitPart = (part) => {
          begun = true
          return emit(part)
        }
        const ask = (reader: Reader) => {
          const prepared = Effect.zipRight(
            Pace.through(prepare(messages, reader)),
            Pace.map(tools, toolOf(spoken, tools.length))
          )
          return Effect.flatMap(Effect.zip(open(credential), prepared), ([opened, told]) =>
            AiSdkStream.stream({
              model: modelOf(opened, model, spoken),
              author,
              dialect: spoken,
              options: optionsOf(call, reader, told, output),
              output,
              emit: take,
              requests,
              skipped,
              ended
            }))
        }
        // A link that is dead by now would make the provider refuse every later turn.
        const isForLinks = ({ is_models, type }: ModelFailed) =>
          type === "invalid_request" && is_models !== true && !begun && hasOlderLink(messages, reader)
        return ask(reader).pipe(
          Effect.catchIf(isForLinks, () => ask({ ...reader, withoutLinks: true })),
          Effect.ensuring(log)
        )
      }),
    check: ({ credential, fetch }) =>
      Effect.clockWith((clock) => {
        const list = listing(addressed(credential), clock.unsafeCurrentTimeMillis())
        return list instanceof ModelFailed ? Effect.fail(list) : Listing.check(list, fetch)
      }),
    ...(dimensions !== undefined && {
      embed: ({ credential, dimensions: wanted, fetch, input, model }: Provider.EmbedCall<Credential>) =>
        Effect.flatMap(open(addressed(credential)), ({ client }) =>
          client.embedding === undefined
            ? Effect.fail(
              new ModelFailed({
                type: "invalid_request",
                message: "The provider has no embeddings.",
                retryable: false
              })
            )
            : AiSdkEmbed.embed(
              client.embedding(model),
              fetch,
              input,
              wanted === undefined ? undefined : dimensions(wanted, model),
              batch
            ))
    })
  })
}
