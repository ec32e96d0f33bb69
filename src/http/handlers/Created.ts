import * as HttpServerResponse from "@effect/platform/HttpServerResponse"

/** 201 with the new record's id and where to read it. */
export const created = (body: Readonly<Record<string, string | null>>, location: string) =>
  HttpServerResponse.unsafeJson(body, { status: 201, headers: { location } })
