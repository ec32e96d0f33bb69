/** Has an agent do something once, by the Agent Gateway's API: the execution is stored first, and then waited for. */
import { Args, Command, Options } from "@effect/cli"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema } from "effect"
import { connect, connection } from "../Connection.ts"
import { failed, misused } from "../Failed.ts"
import { mountOf } from "../Gateway.ts"
import { optionalText } from "../Inputs.ts"
import { output, print } from "../Output.ts"
import { Screen } from "../Screen.ts"

/** How often it is looked whether the execution has ended. */
const lookEvery = "300 millis"

const Queued = Schema.Struct({ execution_id: Schema.String, poll_url: Schema.String })

const Execution = Schema.Struct({
  execution_id: Schema.String,
  status: Schema.String,
  error: Schema.NullOr(Schema.String),
  result: Schema.NullOr(Schema.Struct({ output: Schema.Unknown, raw_text: Schema.String }))
})

const Whole = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const Input = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))

const jsonOf = (text: string) =>
  Effect.mapError(
    Schema.decodeUnknown(Input)(text),
    () => misused("--input takes a JSON object such as {\"city\": \"Kiel\"}.")
  )

export const invoke = Command.make(
  "invoke",
  {
    agent: Args.text({ name: "agent" }).pipe(Args.withDescription("The agent's id, or its name")),
    message: Args.text({ name: "message" }).pipe(Args.withDescription("What it is to do; - reads standard input")),
    input: optionalText("input", "JSON", "An object that is shown to the agent before the message"),
    background: Options.boolean("async").pipe(Options.withDescription("Print the execution's id, and do not wait")),
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const server = yield* connect(options)
      const { http } = server
      const screen = yield* Screen
      const message = options.message === "-" ? (yield* screen.input).replace(/\r?\n$/, "") : options.message
      const input = Option.isNone(options.input) ? undefined : yield* jsonOf(options.input.value)
      const request = HttpClientRequest.post(
        `${yield* mountOf(server)}/agents/${encodeURIComponent(options.agent)}/invoke`
      ).pipe(
        HttpClientRequest.setHeader("idempotency-key", crypto.randomUUID()),
        HttpClientRequest.bodyUnsafeJson({ message, ...input !== undefined && { input }, options: { async: true } })
      )
      const queued = yield* Effect.flatMap(http.execute(request), HttpClientResponse.schemaBodyJson(Queued))
      if (options.background) return yield* print(options.output, queued, `${queued.execution_id}\n`)
      const look = Effect.flatMap(http.get(queued.poll_url), HttpClientResponse.schemaBodyJson(Whole))
      const whole = yield* Effect.repeat(Effect.delay(look, lookEvery), {
        until: ({ status }) => status !== "queued" && status !== "running"
      })
      const { error, result, status } = yield* Schema.decodeUnknown(Execution)(whole)
      const said = typeof result?.output === "string" ? result.output : JSON.stringify(result?.output ?? null)
      yield* print(options.output, whole, status === "completed" ? `${said}\n` : "")
      if (status !== "completed") {
        return yield* failed(`The execution is ${status}${error === null ? "." : `: ${error}`}`)
      }
    })
).pipe(Command.withDescription("Have an agent do something once, and print what comes of it"))
