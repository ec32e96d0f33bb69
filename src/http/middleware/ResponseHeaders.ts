import { Context } from "effect"

/** Headers that every answer to the present request carries. The boundary adds them, except to streams, which begin before it sees them. */
export class ResponseHeaders extends Context.Reference<ResponseHeaders>()("stoa/http/middleware/ResponseHeaders", {
  defaultValue: (): Readonly<Record<string, string>> => ({})
}) {}
