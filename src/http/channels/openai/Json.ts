import * as HttpServerResponse from "@effect/platform/HttpServerResponse"

/** Written as it is: it has been made by hand, and has no schema that could change something in it. */
export const json = (answer: object): HttpServerResponse.HttpServerResponse => HttpServerResponse.unsafeJson(answer)
