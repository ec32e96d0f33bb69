/** JSON-RPC: one call a request, answered with one object or with a stream of them. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Schema } from "effect"
import { Invalid } from "../../../domain/Errors.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { decode } from "../Decoding.ts"
import type { Write } from "./Encode.ts"
import { rpcError, type RpcId } from "./Errors.ts"
import { ListRequest, OnePushRequest, PushesRequest, PushRequest, SendRequest, TaskRequest } from "./Requests.ts"
import type { Asking, Tasks } from "./Tasks.ts"

/** Longest id of a call, and name of a method. */
const maxId = 256

const isId = Schema.is(Schema.Union(Schema.String.pipe(Schema.maxLength(maxId)), Schema.Number, Schema.Null))

const isCall = Schema.is(Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  method: Schema.String.pipe(Schema.maxLength(maxId)),
  params: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
}))

const noCall = new Invalid({
  code: "invalid_request",
  detail: "The body is not a JSON-RPC request: expected jsonrpc 2.0, a method, an id, and params that are an object."
})

const noMethod = new Invalid({ code: "method_not_found", detail: "There is no such method." })

const writeFor = (id: RpcId): Write => (update) => `data: ${JSON.stringify({ jsonrpc: "2.0", id, result: update })}\n\n`

/** What the methods need of the request, beside their parameters. */
export interface Context {
  readonly caller: Asking
  /** What the request says of versions. */
  readonly checked: Effect.Effect<void, Invalid>
  readonly card: Effect.Effect<object>
}

export const make = ({ cancel, get, list, pushes, send, stream, subscribe }: Tasks) => {
  const resultOf = (result: object, id: RpcId) => HttpServerResponse.unsafeJson({ jsonrpc: "2.0", id, result })

  const called = ({ caller, card, checked }: Context, body: JsonObject, id: RpcId) =>
    Effect.gen(function*() {
      if (!isCall(body) || !("id" in body) || !isId(body.id)) return yield* noCall
      yield* checked
      const { method, params = {} } = body
      switch (method) {
        case "SendMessage":
          return resultOf(yield* send(caller, yield* decode(SendRequest, params)), id)
        case "SendStreamingMessage":
          return yield* stream(caller, yield* decode(SendRequest, params), writeFor(id))
        case "GetTask": {
          const asked = yield* decode(TaskRequest, params)
          return resultOf(yield* get(caller, asked.id, asked.historyLength ?? undefined), id)
        }
        case "ListTasks":
          return resultOf(yield* list(caller, yield* decode(ListRequest, params)), id)
        case "CancelTask":
          return resultOf(yield* cancel(caller, (yield* decode(TaskRequest, params)).id), id)
        case "SubscribeToTask":
          return yield* subscribe(caller, (yield* decode(TaskRequest, params)).id, writeFor(id))
        case "CreateTaskPushNotificationConfig": {
          const { taskId, ...config } = yield* decode(PushRequest, params)
          return resultOf(yield* pushes.put(caller, taskId, config), id)
        }
        case "GetTaskPushNotificationConfig": {
          const asked = yield* decode(OnePushRequest, params)
          return resultOf(yield* pushes.get(caller, asked.taskId, asked.id), id)
        }
        case "ListTaskPushNotificationConfigs":
          return resultOf(yield* pushes.list(caller, (yield* decode(PushesRequest, params)).taskId), id)
        case "DeleteTaskPushNotificationConfig": {
          const asked = yield* decode(OnePushRequest, params)
          yield* pushes.remove(caller, asked.taskId, asked.id)
          return resultOf({}, id)
        }
        case "GetExtendedAgentCard":
          return resultOf(yield* card, id)
        default:
          return yield* noMethod
      }
    })

  return (context: Context, body: JsonObject) => {
    const id: RpcId = isId(body.id) ? body.id : null
    return Effect.catchAll(
      called(context, body, id),
      (problem) => Effect.succeed(HttpServerResponse.unsafeJson(rpcError(id, problem)))
    )
  }
}
