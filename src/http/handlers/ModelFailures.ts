/** Turns a model's failure into the answer to a request. */
import type { Effect } from "effect"
import { Invalid, LimitReached, ProviderFailed } from "../../domain/Errors.ts"
import type { ModelFailed } from "../../services/Models.ts"

/** Seconds, where the provider names none. */
const shortestWait = 1

/**
 * What the request or the credential's owner has to change is a 422, the
 * provider's limit a 429, and all else that goes wrong behind us a 502. Its code
 * is the failure's type.
 */
export const asProblem = (
  { message: detail, retry_after, retryable, type: code }: ModelFailed
): Effect.Effect<never, Invalid | LimitReached | ProviderFailed> => {
  switch (code) {
    case "invalid_request":
    case "context_length":
    case "setup":
      return new Invalid({ code, detail })
    case "rate_limit":
      return new LimitReached({
        code,
        detail,
        ...(retryable && { retry_after: Math.max(shortestWait, Math.ceil(retry_after ?? 0)) })
      })
    default:
      return new ProviderFailed({ code, detail })
  }
}
