/** Where the Agent Gateway's API is at a server: its operator chooses the path, and whether it is served at all. */
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema } from "effect"
import type { Connection } from "../http/client/Connection.ts"
import { failed } from "./Failed.ts"

const usual = "/v1"

/** What this protocol's own health says, and that of no other channel. */
const Health = Schema.Struct({ status: Schema.String, tool_count: Schema.Int })

const Document = Schema.Struct({ paths: Schema.Record({ key: Schema.String, value: Schema.Unknown }) })

const place = "/agents/{agent_id}/invoke"

/** The path that everything of it begins with. It is looked for where it usually is first: the document is long. */
export const mountOf = Effect.fnUntraced(function*({ raw, url }: Connection) {
  const read = <A, I>(path: string, schema: Schema.Schema<A, I>) =>
    Effect.flatMap(raw.get(path), (answer) =>
      answer.status === 200
        ? Effect.option(HttpClientResponse.schemaBodyJson(schema)(answer))
        : Effect.succeed(Option.none<A>()))
  if (Option.isSome(yield* read(`${usual}/health`, Health))) return usual
  const paths = Option.match(yield* read("/docs/gateway.json", Document), {
    onNone: () => [],
    onSome: ({ paths }) => Object.keys(paths)
  })
  const found = paths.find((path) => path.endsWith(place))
  return found === undefined
    ? yield* failed(`The server at ${url} does not serve the Agent Gateway's API: its channel gateway is switched off.`)
    : found.slice(0, -place.length)
})
