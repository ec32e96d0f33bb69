/** What is said of an endpoint beside its types: who may use it, and how it is shown. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import { Context, type Schema } from "effect"
import type { Scope } from "../../domain/Principal.ts"

/** The scope that an endpoint needs; null where it is open to everybody. Every endpoint says one of both. */
export class RequiredScope
  extends Context.Tag("stoa/http/api/Operation/RequiredScope")<RequiredScope, Scope | null>()
{}

/** A body that works as it is, but for ids, which are those of the reader's own things. */
export class ExampleBody extends Context.Tag("stoa/http/api/Operation/ExampleBody")<ExampleBody, object>() {}

/** The body may hold files, and may be as large as those. */
export class TakesFiles extends Context.Tag("stoa/http/api/Operation/TakesFiles")<TakesFiles, true>() {}

/** The body is bytes of any kind, which the endpoint reads itself as they come: one file, or at most so many bytes. */
export class TakesBytes extends Context.Tag("stoa/http/api/Operation/TakesBytes")<TakesBytes, true | number>() {}

/** A header that may hold the API key in the place of `Authorization`, where a protocol has that. */
export class KeyHeader extends Context.Tag("stoa/http/api/Operation/KeyHeader")<KeyHeader, string>() {}

/** A GET that opens a WebSocket. */
export class OpensSocket extends Context.Tag("stoa/http/api/Operation/OpensSocket")<OpensSocket, true>() {}

export interface Operation {
  readonly scope: Scope | null
  /** A few words, as in a table of contents. */
  readonly summary: string
  readonly description?: string
  readonly example?: object
  readonly takesFiles?: true
  readonly takesBytes?: true | number
  readonly opensSocket?: true
}

/** For `annotateContext` of an endpoint. */
export const operation = (
  { description, example, opensSocket, scope, summary, takesBytes, takesFiles }: Operation
): Context.Context<RequiredScope> => {
  const scoped = Context.make(RequiredScope, scope).pipe(Context.add(OpenApi.Summary, summary))
  const said = takesFiles === undefined ? scoped : Context.add(scoped, TakesFiles, takesFiles)
  const read = takesBytes === undefined ? said : Context.add(said, TakesBytes, takesBytes)
  const opened = opensSocket === undefined ? read : Context.add(read, OpensSocket, opensSocket)
  const described = description === undefined ? opened : Context.add(opened, OpenApi.Description, description)
  return example === undefined ? described : Context.add(described, ExampleBody, example)
}

/** An answer of another status than 200; the document keeps its name. */
export const named = <A, I>(identifier: string, schema: Schema.Schema<A, I>, status: number): Schema.Schema<A, I> =>
  schema.annotations(HttpApiSchema.annotations({ identifier, status }))
