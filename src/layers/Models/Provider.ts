/**
 * What the router knows of one kind of credential and the models behind it.
 * Two Effect schemas say which fields a credential and which parameters a call
 * have; checks, JSON schemas and the list of secrets follow from them.
 */
import { Effect, JSONSchema, Option, Schema, SchemaAST } from "effect"
import type { FieldProblem } from "../../domain/Errors.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { Message } from "../../domain/Message.ts"
import { maxOwnModels, type ModelCard, type ModelCardDraft } from "../../domain/Model.ts"
import type { Usage } from "../../domain/Usage.ts"
import {
  type Embedded,
  type EmitPart,
  ModelFailed,
  type StructuredOutput,
  type ToolChoice,
  type ToolSpec
} from "../../services/Models.ts"

type Problems = ReadonlyArray<typeof FieldProblem.Type>

export interface ProviderCall<Fields, Parameters> {
  /** The credential's fields, secrets included. */
  readonly credential: Fields
  readonly credential_id?: string | undefined
  readonly model: string
  readonly parameters: Parameters
  readonly system: string
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<ToolSpec>
  readonly tool_choice?: ToolChoice | undefined
  readonly output?: StructuredOutput | undefined
  /** What is known of the model, if anything. */
  readonly card?: ModelCard | undefined
  /** For every request of the call: it keeps the tenant's addresses out of the server's own network. */
  readonly fetch: typeof globalThis.fetch
  /** Says that bytes of the answer have come, also where no part can be made of them yet: it is not silent. */
  readonly alive?: () => void
  /** Says which tokens the provider has named so far for this answer: they are paid for even if it breaks off. */
  readonly charged?: (usage: Usage) => void
}

export interface CheckCall<Fields> {
  readonly credential: Fields
  readonly fetch: typeof globalThis.fetch
}

export interface EmbedCall<Fields> extends CheckCall<Fields> {
  readonly model: string
  readonly input: ReadonlyArray<string>
  readonly dimensions?: number | undefined
}

export interface Provider {
  /** `demo_credential` */
  readonly type: string
  /** JSON schema of a credential's `data`. */
  readonly schema: JsonObject
  /** Names of the fields that are secret. */
  readonly secrets: ReadonlySet<string>
  /** JSON schema of a call's parameters. */
  readonly parameters: JsonObject
  /** Models that it brings along, beside the files of its cards. */
  readonly cards: ReadonlyArray<ModelCardDraft>
  readonly accepts: (model: string) => boolean
  /** What is wrong with a credential's own fields: paths and reasons, never values. */
  readonly fieldProblems: (fields: JsonObject) => Problems
  readonly parameterProblems: (parameters: JsonObject) => Problems
  readonly stream: (call: ProviderCall<JsonObject, JsonObject>, emit: EmitPart) => Effect.Effect<void, ModelFailed>
  /** Asks the provider which models the credential sees. */
  readonly check: (
    call: CheckCall<JsonObject>
  ) => Effect.Effect<{ readonly models: ReadonlyArray<string> }, ModelFailed>
  readonly embed?: (call: EmbedCall<JsonObject>) => Effect.Effect<Embedded, ModelFailed>
}

/** A struct whose values are themselves on the wire. A field's `description` completes "Expected …". */
export interface Fields<A> extends Schema.Schema<A> {
  readonly fields: Schema.Struct.Fields
}

/** Marks a field as secret; goes into its `jsonSchema` annotation. */
export const secret = { format: "password", writeOnly: true }

interface Field {
  readonly name: string
  readonly required: boolean
  readonly secret: boolean
  readonly expected: string
  readonly is: (value: unknown) => boolean
}

const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<Field> =>
  SchemaAST.getPropertySignatures(ast).map(({ isOptional, name, type }) => ({
    name: String(name),
    required: !isOptional,
    secret: Option.exists(SchemaAST.getJSONSchemaAnnotation(type), (schema) => "writeOnly" in schema),
    expected: Option.getOrElse(SchemaAST.getDescriptionAnnotation(type), () => String(type)),
    is: Schema.is(Schema.make(type))
  }))

/** Longest unknown name that an answer repeats, and most of them. */
const longestName = 64
const maxUnknown = 16

const problemsOf = (fields: ReadonlyArray<Field>) => {
  const known = new Set(fields.map(({ name }) => name))
  return (value: JsonObject): Problems => [
    ...fields.flatMap(({ expected, is, name, required }) => {
      if (!Object.hasOwn(value, name)) return required ? [{ path: name, message: "Missing." }] : []
      return is(value[name]) ? [] : [{ path: name, message: `Expected ${expected}.` }]
    }),
    ...Object.keys(value)
      .filter((name) => !known.has(name))
      .slice(0, maxUnknown)
      .map((name) => ({ path: name.slice(0, longestName), message: "Not a field that is known here." }))
  ]
}

/** The first problem. What had none is known by its identity, so a turn does not pay for it again. */
const once = (problems: (value: JsonObject) => Problems) => {
  const sound = new WeakSet<object>()
  return (value: JsonObject) => {
    if (sound.has(value)) return undefined
    const [first] = problems(value)
    if (first === undefined) sound.add(value)
    return first
  }
}

/** The JSON schema of a struct. It names no other schema: fields have no identifiers. */
export const jsonSchemaOf = <A>(fields: Fields<A>) => {
  const { properties, required } = { properties: {}, required: [], ...JSONSchema.make(fields) }
  return { type: "object", properties, required, additionalProperties: false }
}

/** The field of every credential that changes and adds cards; a card's own fields are `ModelCardDraft`'s. */
const ownModels = {
  title: "Own models",
  description: "Cards of models that are not known here, or are different behind this credential.",
  type: "array",
  maxItems: maxOwnModels,
  items: { type: "object", properties: { name: { type: "string" } }, required: ["name"] }
}

const setup = (what: string) =>
  new ModelFailed({
    type: "setup",
    message: `${what} Change it with a PATCH of the credential or of the session's chat_model_config.`,
    retryable: false
  })

export interface Definition<Credential extends object, Parameters extends object> {
  readonly type: string
  readonly title: string
  readonly fields: Fields<Credential>
  readonly parameters: Fields<Parameters>
  readonly cards?: ReadonlyArray<ModelCardDraft>
  readonly accepts: (model: string) => boolean
  /** What is wrong among fields that are each right. Secrets that stay stored are not in there. */
  readonly problems?: (credential: Partial<Credential>) => Problems
  /** `credential` and `parameters` have been checked. */
  readonly stream: (call: ProviderCall<Credential, Parameters>, emit: EmitPart) => Effect.Effect<void, ModelFailed>
  readonly check: (
    call: CheckCall<Credential>
  ) => Effect.Effect<{ readonly models: ReadonlyArray<string> }, ModelFailed>
  readonly embed?: (call: EmbedCall<Credential>) => Effect.Effect<Embedded, ModelFailed>
}

export const make = <Credential extends object, Parameters extends object>(
  definition: Definition<Credential, Parameters>
): Provider => {
  const { title, type } = definition
  const fields = fieldsOf(definition.fields.ast)
  const { properties, required, ...schema } = jsonSchemaOf(definition.fields)
  const ownProblems = problemsOf(fields)
  const fieldProblems = (value: JsonObject): Problems => {
    const own = ownProblems(value)
    return own.length > 0 ? own : definition.problems?.(value as Partial<Credential>) ?? []
  }
  const parameterProblems = problemsOf(fieldsOf(definition.parameters.ast))
  const fieldProblem = once(fieldProblems)
  const parameterProblem = once(parameterProblems)
  const { embed } = definition
  /** Goes on with a credential whose fields are right. */
  const withFields = <A>(
    credential: JsonObject,
    use: (credential: JsonObject & Credential) => Effect.Effect<A, ModelFailed>
  ): Effect.Effect<A, ModelFailed> =>
    Effect.suspend(() => {
      const field = fieldProblem(credential)
      return field === undefined
        ? use(credential as JsonObject & Credential)
        : Effect.fail(setup(`The credential's field '${field.path}' is missing or wrong.`))
    })
  return {
    type,
    schema: {
      title,
      ...schema,
      properties: {
        type: { const: type, type: "string", default: type },
        id: { type: "string", readOnly: true },
        name: { title: "Name", type: "string", maxLength: 256, default: "" },
        ...properties,
        models: ownModels
      },
      required: ["type", ...required]
    },
    secrets: new Set(fields.filter(({ secret }) => secret).map(({ name }) => name)),
    parameters: jsonSchemaOf(definition.parameters),
    cards: definition.cards ?? [],
    accepts: definition.accepts,
    fieldProblems,
    parameterProblems,
    stream: (call, emit) =>
      withFields(call.credential, (credential) => {
        const parameter = parameterProblem(call.parameters)
        return parameter === undefined
          ? definition.stream({ ...call, credential, parameters: call.parameters as JsonObject & Parameters }, emit)
          : Effect.fail(setup(`The model's parameter '${parameter.path}' is unknown or wrong.`))
      }),
    check: (call) => withFields(call.credential, (credential) => definition.check({ ...call, credential })),
    ...(embed !== undefined && {
      embed: (call: EmbedCall<JsonObject>) =>
        withFields(call.credential, (credential) => embed({ ...call, credential }))
    })
  }
}
