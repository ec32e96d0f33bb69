/**
 * This is the one error vocabulary. Every error is an RFC 9457 problem document as it
 * stands, so it travels from a service to a client without being mapped. The
 * boundary adds `request_id`.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"

/** What is wrong with one field. `path` is dotted: `input.0.content`. */
export const FieldProblem = Schema.Struct({ path: Schema.String, message: Schema.String })

/** The fields of an error of this status. */
export const problem = <const Status extends number, const Title extends string, const Code extends string>(
  status: Status,
  title: Title,
  code: Code
) => ({
  type: Schema.String.pipe(Schema.propertySignature, Schema.withConstructorDefault(() => "about:blank")),
  title: Schema.Literal(title).pipe(Schema.propertySignature, Schema.withConstructorDefault(() => title)),
  status: Schema.Literal(status).pipe(Schema.propertySignature, Schema.withConstructorDefault(() => status)),
  /** A sentence for people; it names the fix where there is one. */
  detail: Schema.String,
  /** A stable word for programs. */
  code: Schema.String.pipe(Schema.propertySignature, Schema.withConstructorDefault((): string => code)),
  errors: Schema.optional(Schema.Array(FieldProblem)),
  /** Seconds until it is worth trying again. */
  retry_after: Schema.optional(Schema.Int),
  request_id: Schema.optional(Schema.String)
})

/** The request could not be understood at all: broken JSON, two Host headers. */
export class Malformed extends Schema.TaggedError<Malformed>()(
  "Malformed",
  problem(400, "Bad Request", "malformed"),
  HttpApiSchema.annotations({ status: 400, description: "The request could not be read." })
) {}

/** The request has no identity, or one that is unknown, expired or revoked. */
export class Unauthenticated extends Schema.TaggedError<Unauthenticated>()(
  "Unauthenticated",
  problem(401, "Unauthorized", "unauthenticated"),
  HttpApiSchema.annotations({ status: 401, description: "No valid identity came with the request." })
) {}

/** The caller is known, but lacks the scope that the operation needs. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  problem(403, "Forbidden", "forbidden"),
  HttpApiSchema.annotations({ status: 403, description: "The identity lacks a scope." })
) {}

/** The record does not exist, or belongs to somebody else: the caller cannot tell which. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  problem(404, "Not Found", "not_found"),
  HttpApiSchema.annotations({ status: 404, description: "No such thing, or not yours." })
) {
  static readonly of = (noun: string, id: string): NotFound => new NotFound({ detail: `${noun} '${id}' not found.` })
}

export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()(
  "MethodNotAllowed",
  problem(405, "Method Not Allowed", "method_not_allowed"),
  HttpApiSchema.annotations({ status: 405, description: "The path exists, the method does not." })
) {}

/** The current state forbids the operation: a taken id, a busy session, a missing model. */
export class Conflict extends Schema.TaggedError<Conflict>()(
  "Conflict",
  problem(409, "Conflict", "conflict"),
  HttpApiSchema.annotations({ status: 409, description: "The present state forbids it." })
) {}

/** The record existed, and retention has removed it. */
export class Gone extends Schema.TaggedError<Gone>()(
  "Gone",
  problem(410, "Gone", "gone"),
  HttpApiSchema.annotations({ status: 410, description: "It has been removed." })
) {}

export class TooLarge extends Schema.TaggedError<TooLarge>()(
  "TooLarge",
  problem(413, "Content Too Large", "too_large"),
  HttpApiSchema.annotations({ status: 413, description: "The body exceeds its limit." })
) {}

export class UnsupportedContent extends Schema.TaggedError<UnsupportedContent>()(
  "UnsupportedContent",
  problem(415, "Unsupported Media Type", "unsupported_content_type"),
  HttpApiSchema.annotations({ status: 415, description: "The body is not application/json." })
) {}

/** The request was understood and is wrong; `errors` names the fields, never their values. */
export class Invalid extends Schema.TaggedError<Invalid>()(
  "Invalid",
  problem(422, "Unprocessable Content", "invalid"),
  HttpApiSchema.annotations({ status: 422, description: "A field is missing or wrong." })
) {}

/** A bound was reached: too many queued inputs, too many requests. */
export class LimitReached extends Schema.TaggedError<LimitReached>()(
  "LimitReached",
  problem(429, "Too Many Requests", "limit_reached"),
  HttpApiSchema.annotations({ status: 429, description: "A limit was reached." })
) {}

/** The server has a bug; its cause is in the server's log under the request id and nowhere else. */
export class Internal extends Schema.TaggedError<Internal>()(
  "Internal",
  problem(500, "Internal Server Error", "internal"),
  HttpApiSchema.annotations({ status: 500, description: "Something broke on our side." })
) {}

/** The provider of a model failed, or does not accept the credential; `code` is the kind of failure. */
export class ProviderFailed extends Schema.TaggedError<ProviderFailed>()(
  "ProviderFailed",
  problem(502, "Bad Gateway", "upstream"),
  HttpApiSchema.annotations({ status: 502, description: "The provider of the model failed." })
) {}

/** The server is starting or draining, or the database does not answer. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  problem(503, "Service Unavailable", "unavailable"),
  HttpApiSchema.annotations({ status: 503, description: "Not ready; try again." })
) {}
