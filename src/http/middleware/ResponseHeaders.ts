import { Context } from "effect"

/**
 * Headers that every answer to the present request carries, its own object: what
 * handles the request may add some. The boundary adds them to the answer, except to
 * streams, which begin before it sees them.
 */
export class ResponseHeaders extends Context.Reference<ResponseHeaders>()("stoa/http/middleware/ResponseHeaders", {
  defaultValue: (): Record<string, string> => ({})
}) {}
