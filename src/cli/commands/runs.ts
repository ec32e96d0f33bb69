import { Command, Options } from "@effect/cli"
import { Effect, Either, Option, Schema, Stream } from "effect"
import { type AnswerInput, ExternalInput } from "../../domain/Chat.ts"
import { RunId, SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import { awaited } from "../../domain/OpenCalls.ts"
import { type Run, RunSource, RunStatus } from "../../domain/Run.ts"
import { endsStream, runOf } from "../../domain/RunOf.ts"
import { RunsRequest } from "../../domain/RunQuery.ts"
import { endingOf } from "../../domain/Stop.ts"
import { Refused } from "../../http/client/Failures.ts"
import { belongsTo } from "../../http/client/Run.ts"
import * as Asking from "../Asking.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { complaintOf, failed, misused } from "../Failed.ts"
import { decode, idArgument, idsArgument, optionalText, pathId, readText } from "../Inputs.ts"
import { type Column, isText, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { Screen } from "../Screen.ts"
import * as Steps from "../Steps.ts"
import { waitingIn } from "../Waiting.ts"
import { watching, watchOutput } from "../Watching.ts"

/** The state of a run in a word for people: how it ended, or else its status. */
const stateOf = ({ finished_reason, status, stop_reason }: Run) =>
  finished_reason === null ? status : endingOf({ finished_reason, stop_reason })

const columns: ReadonlyArray<Column<Run>> = [
  ["id", ({ id }) => id],
  ["state", stateOf],
  ["session", ({ session_id }) => session_id, 2],
  ["created", ({ created_at }) => created_at, 1],
  ["input", ({ input }) => input.map(({ content }) => textOf(content)).join(" ")]
]

const details: ReadonlyArray<Column<Run>> = [
  ...columns,
  ["agent", ({ agent_id }) => agent_id],
  ["reply", ({ reply_id }) => reply_id],
  ["events", ({ first_seq, last_seq }) => first_seq === null ? null : `${first_seq} to ${last_seq ?? "…"}`],
  ["attempt", ({ attempt }) => attempt],
  ["source", ({ source, source_id }) => source_id === null ? source : `${source} ${source_id}`],
  ["retried from", ({ retried_from }) => retried_from],
  ["error", ({ error }) => error?.message],
  ["category", ({ stop_details }) => stop_details?.category ?? stop_details?.provider_reason],
  ["tokens", ({ usage }) => usage === null ? null : `${usage.input_tokens} in, ${usage.output_tokens} out`],
  ["started", ({ started_at }) => started_at],
  ["ended", ({ ended_at }) => ended_at]
]

const common = { ...output, ...connection }
const runId = idArgument("run-id", "The run's id")
const path = (id: string) => Effect.map(pathId(RunId, "run", id), (run_id) => ({ run_id }))

/** A day or a UTC time. */
const moment = (name: string, description: string) => optionalText(name, "TIME", description)

const list = Command.make(
  "list",
  {
    session: optionalText("session", "ID", "Of this session only"),
    agent: optionalText("agent", "ID", "Of this agent only"),
    schedule: optionalText("schedule", "ID", "Of this schedule's fires only"),
    source: Options.choice("source", RunSource.literals).pipe(
      Options.withDescription("Only those that came from there"),
      Options.optional
    ),
    from: moment("from", "From this time on: UTC, or a day such as 2026-01-31"),
    to: moment("to", "Before this time"),
    text: optionalText("text", "TEXT", "Only those that were sent this text, in capitals or not"),
    status: Options.choice("status", RunStatus.literals).pipe(
      Options.withDescription("Only those that are at this"),
      Options.optional
    ),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const session = yield* Effect.transposeMapOption(options.session, (id) => pathId(SessionId, "session", id))
      const status = Option.isSome(options.status) ? { status: options.status.value } : {}
      const request = yield* decode(RunsRequest, {
        ...Option.isSome(options.agent) && { agent_id: options.agent.value },
        ...Option.isSome(options.schedule) && { schedule_id: options.schedule.value },
        ...Option.isSome(options.source) && { source: options.source.value },
        ...Option.isSome(options.from) && { from: options.from.value },
        ...Option.isSome(options.to) && { to: options.to.value },
        ...Option.isSome(options.text) && { q: options.text.value }
      })
      const { limit: _limit, ...narrowed } = request
      const isOnlySession = Object.keys(narrowed).length === 0
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) => {
          const urlParams = { ...params, ...status }
          const page = Option.isSome(session) && isOnlySession
            ? api.runs.ofSession({ path: { session_id: session.value }, urlParams })
            : api.runs.list({
              urlParams: {
                ...urlParams,
                ...narrowed,
                ...Option.isSome(options.session) && { session_id: SessionId.make(options.session.value) }
              }
            })
          return Effect.map(page, ({ next_cursor, runs }) => ({ items: runs, next: next_cursor }))
        })
      )
    })
).pipe(Command.withDescription("List your runs, newest first"))

const show = Command.make("show", { id: runId, ...common }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const id = yield* path(options.id)
    const run = yield* connected.api.runs.get({ path: id })
    // A server of an older version has no timelines.
    const timeline = yield* Effect.asSome(connected.api.runs.timeline({ path: id })).pipe(
      Effect.catchIf((error) => error instanceof Refused && error.status === 404, () => Effect.succeedNone)
    )
    if (!isText(options.output)) {
      return yield* print(options.output, { ...run, timeline: Option.getOrNull(timeline) }, "")
    }
    yield* printRecord(options.output, details, run)
    if (Option.isSome(timeline) && timeline.value.steps.length > 0) {
      const screen = yield* Screen
      yield* screen.out("\n")
      yield* printAll(options.output, Steps.columns, Stream.fromIterable(timeline.value.steps))
      yield* screen.out(`\n${Steps.summaryOf(timeline.value)}\n`)
    }
    yield* Asking.tellWaiting(run, yield* waitingIn(connected, run))
  })).pipe(Command.withDescription("Show a run, what it did step by step, and what it waits for"))

const cancel = Command.make(
  "cancel",
  { ids: idsArgument("run-id", "The runs' ids"), ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* Effect.forEach(paths, (path) => api.runs.cancel({ path }), { discard: true })
    })
).pipe(Command.withDescription("Stop runs, also those that wait; ended ones stay as they are"))

const retry = Command.make("retry", { id: runId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const accepted = yield* api.runs.retry({
      path: yield* path(options.id),
      headers: { "idempotency-key": crypto.randomUUID() }
    })
    yield* print(options.output, accepted, `${accepted.run_id}\n`)
    const screen = yield* Screen
    if (isText(options.output) && screen.isTerminal.err) {
      yield* screen.err(`Follow it with stoa runs watch ${accepted.run_id}.\n`)
    }
  })).pipe(Command.withDescription("Send an ended run's input again, and print the new run's id"))

/** A run, and where its events begin: one that waits its turn comes after the run that goes on now. */
const placeOf = Effect.fnUntraced(function*({ api }: Connection, id: { readonly run_id: RunId }) {
  const run = yield* api.runs.get({ path: id })
  if (run.first_seq !== null) return { run, after: run.first_seq - 1 }
  const session_id = yield* pathId(SessionId, "session", run.session_id)
  const { runs: [going] } = yield* api.runs.ofSession({
    path: { session_id },
    urlParams: { status: "running", limit: 1 }
  })
  // It may have begun meanwhile, and then what goes on now may be a later one.
  const again = yield* api.runs.get({ path: id })
  return { run: again, after: (again.first_seq ?? going?.first_seq ?? 1) - 1 }
})

const watch = Command.make("watch", { id: runId, ...watchOutput, ...connection }, (options) =>
  Effect.gen(function*() {
    const connected = yield* connect(options)
    const { after, run } = yield* placeOf(connected, yield* path(options.id))
    yield* watching(connected, {
      session: run.session_id,
      after: Option.some(after),
      output: options.output,
      isShown: belongsTo(run.id),
      isEnd: (event) => endsStream(event) && runOf(event) === run.id
    })
  })).pipe(
    Command.withDescription("Follow a run's events from its beginning to its end, or until it waits for somebody")
  )

const Results = ExternalInput.fields.execution_results

/** From `[{"id": …, "output": …}]`, as the API takes them. */
const readResults = Effect.fnUntraced(function*(reply: Message, path: string) {
  const text = yield* readText(path)
  const given: unknown = Either.getOrUndefined(Either.try(() => JSON.parse(text) as unknown))
  const execution_results = yield* Effect.mapError(
    Schema.decodeUnknown(Results)(given),
    (error) =>
      misused(
        `--results takes a JSON list such as [{"id": "the call's id", "output": "its result"}]; ${complaintOf(error)}.`
      )
  )
  return { type: "EXTERNAL_EXECUTION_RESULT", reply_id: reply.id, execution_results } satisfies AnswerInput
})

const nobody = () => Effect.succeedNone

/** Makes the answer that the run waits for from the options. */
const answerOf = Effect.fnUntraced(function*(
  reply: Message,
  options: { readonly approve: boolean; readonly deny: boolean; readonly results: Option.Option<string> }
) {
  if (Option.isSome(options.results)) return yield* readResults(reply, options.results.value)
  const asking = awaited(reply).filter(({ state }) => state === "asking")
  const given = yield* Asking.answer(reply.id, asking, options.approve ? "approve" : "deny", nobody)
  return Option.isSome(given)
    ? given.value
    : yield* misused("The run waits for results of the client's tools: give them with --results.")
})

const send = ({ api }: Connection, { agent_id, session_id }: Run, input: AnswerInput) =>
  api.chat.send({
    headers: { prefer: "respond-async", accept: "application/json", "idempotency-key": crypto.randomUUID() },
    payload: { agent_id, session_id, input, on_busy: "enqueue", tools: [] }
  })

const answer = Command.make(
  "answer",
  {
    id: runId,
    approve: Options.boolean("approve").pipe(Options.withDescription("Allow every call that asks")),
    deny: Options.boolean("deny").pipe(Options.withDescription("Refuse every call that asks")),
    results: optionalText("results", "PATH", "Results of the client's tools, a JSON list; - is standard input"),
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const given = [options.approve, options.deny, Option.isSome(options.results)].filter(Boolean).length
      if (given !== 1) return yield* misused("Give one of --approve, --deny and --results.")
      const connected = yield* connect(options)
      const run = yield* connected.api.runs.get({ path: yield* path(options.id) })
      const reply = yield* waitingIn(connected, run)
      if (Option.isNone(reply)) return yield* failed(`The run waits for nobody: it is ${stateOf(run)}.`)
      yield* send(connected, run, yield* answerOf(reply.value, options))
      const screen = yield* Screen
      if (screen.isTerminal.err) {
        yield* screen.err(`It goes on; follow it with stoa sessions watch ${run.session_id} --once.\n`)
      }
    })
).pipe(Command.withDescription("Answer what a run waits for"))

export const runs = Command.make("runs").pipe(
  Command.withDescription("What each input started: running, waiting, ended"),
  Command.withSubcommands([list, show, cancel, retry, watch, answer])
)
