import { Schema } from "effect"

/** For requests that make or start something. What is wrong with it is said by the server, with 400. */
export const idempotencyKey = {
  "idempotency-key": Schema.optional(
    Schema.String.annotations({
      description:
        "Sent again within 24 hours with the same key, the request is not done again: it gets the same answer. "
        + "The same key with another request is 422.",
      jsonSchema: { type: "string", pattern: "^[\\x20-\\x7e]{1,255}$" }
    })
  )
}

export const IdempotencyHeaders = Schema.Struct(idempotencyKey)
