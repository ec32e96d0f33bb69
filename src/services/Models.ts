import { Context, type Effect, Schema } from "effect"
import type { CredentialCheck } from "../domain/Credential.ts"
import type { Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { CredentialId, UserId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"
import type { Annotation, Message } from "../domain/Message.ts"
import type { ChatModelConfig, EmbeddingCard, ModelCard, Prices } from "../domain/Model.ts"
import type { StopDetails } from "../domain/Stop.ts"
import type { ToolChoice } from "../domain/Tool.ts"
import type { Usage } from "../domain/Usage.ts"

/** A tool as it is described to a model. */
export interface ToolSpec {
  readonly name: string
  readonly description: string
  /** JSON schema of the arguments. */
  readonly parameters: JsonObject
}

export type { ToolChoice }

/** The answer is JSON of this schema; it comes as text. */
export interface StructuredOutput {
  readonly name?: string
  readonly schema: JsonObject
}

export interface ModelCall {
  readonly owner: UserId
  readonly config: ChatModelConfig
  /** Models that are called in this order when the ones before them fail and another may succeed. */
  readonly fallbacks: ReadonlyArray<ChatModelConfig>
  readonly system: string
  /** Oldest first. The last one may be the unfinished reply, with its tool calls and results. */
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<ToolSpec>
  readonly tool_choice?: ToolChoice
  readonly output?: StructuredOutput
}

/** A model and the credential through which it is reached. */
export type ModelName = Pick<ChatModelConfig, "type" | "model" | "credential_id">

/**
 * Why an answer ended. With `content_filter` the provider withheld it or its rest, with `refusal` the model declined;
 * with `paused` the provider wants to be asked to go on; `other` is no reason that is known.
 */
export type StopReason = "stop" | "tool_calls" | "length" | "content_filter" | "refusal" | "paused" | "other"

/**
 * A piece of a model's answer. Text and thinking of the same `block` belong
 * together; a new `block` or `block_end` closes the one before. `finish` comes
 * last, once; `retry` and `switch` come before all others, `charged` when an attempt
 * has failed. `provider_metadata`
 * is what the provider wants back with the next call; `empty` is the kind of a
 * block that holds nothing else. Calls that are `provider_executed` are run by
 * the provider, whose results come as `tool_result`.
 */
export type ModelPart =
  | { readonly type: "text"; readonly block: string; readonly delta: string }
  | { readonly type: "thinking"; readonly block: string; readonly delta: string }
  | {
    readonly type: "block_end"
    readonly block: string
    readonly provider_metadata?: JsonObject
    readonly empty?: "text" | "thinking"
    /** Where the block's text says that it comes from. */
    readonly annotations?: ReadonlyArray<Annotation>
  }
  | {
    readonly type: "data"
    readonly media_type: string
    readonly data: string
    readonly provider_metadata?: JsonObject
  }
  | {
    readonly type: "tool_call_start"
    readonly id: string
    readonly name: string
    readonly provider_executed?: boolean
  }
  | { readonly type: "tool_call_delta"; readonly id: string; readonly delta: string }
  | { readonly type: "tool_call_end"; readonly id: string; readonly provider_metadata?: JsonObject }
  /** What the provider's own tool answered; after the end of its call. `files` are in base64. */
  | {
    readonly type: "tool_result"
    readonly id: string
    readonly text: string
    readonly files: ReadonlyArray<{ readonly media_type: string; readonly data: string }>
    readonly state: "success" | "error"
  }
  /** The provider is called again. */
  | { readonly type: "retry" }
  /** An attempt broke off after the provider had named these tokens for it: they are paid for. */
  | { readonly type: "charged"; readonly usage: Usage; readonly prices?: Prices }
  /** A fallback is called now; no part of an answer has been handed over before. */
  | {
    readonly type: "switch"
    readonly from: ModelName
    readonly to: ModelName
    readonly error: { readonly type: ModelErrorType; readonly message: string }
  }
  | {
    readonly type: "finish"
    readonly reason: StopReason
    readonly details?: StopDetails
    readonly usage: Usage
    /** Of the model that answered, when they are known. */
    readonly prices?: Prices
  }

/** Takes a part at once; a promise asks the provider to wait, because the log is behind. */
export type EmitPart = (part: ModelPart) => Promise<void> | undefined

export const ModelErrorType = Schema.Literal(
  "authentication",
  "permission",
  "rate_limit",
  "invalid_request",
  "context_length",
  "content_policy",
  "upstream",
  "connection",
  "setup",
  "unknown"
)
export type ModelErrorType = typeof ModelErrorType.Type

/** A call that failed. `message` is a sentence of ours: no provider body, no secret. */
export class ModelFailed extends Schema.TaggedError<ModelFailed>()("ModelFailed", {
  type: ModelErrorType,
  message: Schema.String,
  retryable: Schema.Boolean,
  /** The model is not there, or does not take what the conversation holds: another one may do better. */
  is_models: Schema.optional(Schema.Boolean),
  /** Seconds, when the provider named them. */
  retry_after: Schema.optional(Schema.Number),
  /** What the provider's filter found, where a `content_policy` refusal says it. */
  category: Schema.optional(Schema.String)
}) {}

/** A credential's fields, split into secret and plain ones. */
export interface CredentialFields {
  readonly type: string
  /** Empty when the client gave none. */
  readonly name: string
  readonly settings: JsonObject
  readonly secrets: Readonly<Record<string, string>>
}

/** A credential of the one who asks: its own cards count too. */
export interface Through {
  readonly owner: UserId
  readonly credential_id: CredentialId
}

export interface EmbedCall {
  readonly owner: UserId
  readonly config: {
    /** That of the credential when it is left out. */
    readonly type?: string | undefined
    readonly credential_id: CredentialId
    readonly model: string
    /** Numbers in a vector; the model's own when it is left out. */
    readonly dimensions?: number | undefined
  }
  readonly input: ReadonlyArray<string>
}

/** One vector for each input, in its order. */
export interface Embedded {
  readonly embeddings: ReadonlyArray<ReadonlyArray<number>>
  readonly usage: { readonly input_tokens: number }
}

export class Models extends Context.Tag("stoa/services/Models")<Models, {
  /** A JSON schema per credential type; secret fields are `format: password` and `writeOnly`. */
  readonly schemas: ReadonlyArray<JsonObject>
  /** Checks a credential's `data`. `kept` names the secret fields that are stored already and may be left out. */
  readonly readCredential: (data: JsonObject, kept: ReadonlyArray<string>) => Effect.Effect<CredentialFields, Invalid>
  /** The cards of one credential type, those that are served first. */
  readonly cards: (type: string, through?: Through) => Effect.Effect<ReadonlyArray<ModelCard>, NotFound | Invalid>
  /** What is known of one model; a model without a card may be there all the same. */
  readonly card: (type: string, name: string, through?: Through) => Effect.Effect<ModelCard, NotFound | Invalid>
  readonly embeddingCards: (type: string) => Effect.Effect<ReadonlyArray<EmbeddingCard>, NotFound>
  /**
   * Whether a session could talk to this model: the credential is the owner's, of that type, and knows the model.
   * `path` is where the client finds the config: `chat_model_config` unless it is given.
   * Answers with the names of those of its parameters that do nothing.
   */
  readonly check: (
    owner: UserId,
    config: ChatModelConfig,
    path?: string
  ) => Effect.Effect<ReadonlyArray<string>, NotFound | Invalid>
  /** Asks the credential's provider whether it works, for 10 seconds at most. Few at once of each owner. */
  readonly test: (owner: UserId, id: CredentialId) => Effect.Effect<CredentialCheck, NotFound | LimitReached>
  /** Calls the model and hands over its answer piece by piece. Interrupting it ends the call. */
  readonly stream: (call: ModelCall, emit: EmitPart) => Effect.Effect<void, ModelFailed>
  /** Makes vectors of texts: near to each other where the texts are near in meaning. */
  readonly embed: (call: EmbedCall) => Effect.Effect<Embedded, ModelFailed | NotFound | Invalid>
}>() {}
