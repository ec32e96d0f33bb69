/** Asks the person at the terminal what a parked run wants to know, and shows how to answer without a terminal. */
import { Effect, Either, Option } from "effect"
import type { AnswerInput, ConfirmInput } from "../domain/Chat.ts"
import type { MessageId } from "../domain/Ids.ts"
import type { Message, ToolCallBlock } from "../domain/Message.ts"
import { awaited } from "../domain/OpenCalls.ts"
import type { Run } from "../domain/Run.ts"
import { dim, harmless, Screen } from "./Screen.ts"

/** Who answers when a tool needs permission. */
export type Consent = "ask" | "approve" | "deny" | "nobody"

export type Ask = (prompt: string) => Effect.Effect<Option.Option<string>>

/** Most lines and characters of a call's arguments that are shown. */
const maxLines = 20
const maxCharacters = 2_000

const indented = (json: string) =>
  Either.getOrElse(Either.try(() => JSON.stringify(JSON.parse(json), undefined, 2)), () => json)

const shown = ({ input, name }: ToolCallBlock) => {
  const text = harmless(indented(input))
  const lines = text.slice(0, maxCharacters).split("\n")
  const isWhole = text.length <= maxCharacters && lines.length <= maxLines
  return [harmless(name), ...lines.slice(0, maxLines), ...(isWhole ? [] : ["…"])].join("\n  ")
}

type Decision = "once" | "no" | "always"

const decisionOf = (typed: string): Decision | undefined => {
  switch (typed.trim().toLowerCase()) {
    case "y":
    case "yes":
      return "once"
    case "n":
    case "no":
      return "no"
    case "a":
    case "always":
      return "always"
    default:
      return undefined
  }
}

/** Asks until it is one of the three; none at the end of the input. */
const decide = (ask: Ask): Effect.Effect<Option.Option<Decision>> =>
  Effect.flatMap(ask("Allow it? [y]es, [n]o, [a]lways in this session: "), (typed) => {
    if (Option.isNone(typed)) return Effect.succeedNone
    const decision = decisionOf(typed.value)
    return decision === undefined ? decide(ask) : Effect.succeedSome(decision)
  })

type Result = ConfirmInput["confirm_results"][number]

const always = ({ name, suggested_rules }: ToolCallBlock) =>
  suggested_rules.length > 0
    ? suggested_rules
    : [{ tool_name: name, rule_content: null, behavior: "allow" as const, source: "user" }]

export const resultOf = (call: ToolCallBlock, decision: Decision): Result => ({
  confirmed: decision !== "no",
  tool_call: { id: call.id },
  ...(decision === "always" && { rules: always(call) })
})

export const answering = (reply_id: MessageId, confirm_results: ReadonlyArray<Result>): ConfirmInput => ({
  type: "USER_CONFIRM_RESULT",
  reply_id,
  confirm_results
})

/** One answer for all the calls; none when nobody gives it. */
export const answer = Effect.fnUntraced(
  function*(reply_id: MessageId, calls: ReadonlyArray<ToolCallBlock>, consent: Consent, ask: Ask) {
    if (consent === "nobody" || calls.length === 0) return Option.none()
    if (consent !== "ask") {
      return Option.some(
        answering(reply_id, calls.map((call) => resultOf(call, consent === "approve" ? "once" : "no")))
      )
    }
    const screen = yield* Screen
    const results: Array<Result> = []
    for (const call of calls) {
      yield* screen.err(`${shown(call)}\n`)
      const decision = yield* decide(ask)
      if (Option.isNone(decision)) return Option.none()
      results.push(resultOf(call, decision.value))
    }
    return Option.some(answering(reply_id, results))
  }
)

const commandOf = (run: string, isAsking: boolean) =>
  `stoa runs answer ${harmless(run)} ${isAsking ? "--approve (or --deny)" : "--results FILE"}`

/** What a run waits for, and the command that answers it. */
export const tellWaiting = Effect.fnUntraced(function*(run: Pick<Run, "id" | "status">, reply: Option.Option<Message>) {
  const screen = yield* Screen
  if (run.status !== "awaiting_permission" && run.status !== "awaiting_external_result") return
  const isAsking = run.status === "awaiting_permission"
  const calls = Option.match(reply, { onNone: () => [], onSome: awaited }).map(({ id, name }) =>
    isAsking ? name : `${name} (${id})`
  )
  const what = calls.length === 0 ? "" : ` ${[...new Set(calls)].join(", ")}`
  const line = isAsking ? `It waits for a person to allow${what}.` : `It waits for the results of${what}.`
  yield* screen.err(
    `${dim(`${harmless(line)} Answer it with ${commandOf(run.id, isAsking)}.`, screen.hasColour.err)}\n`
  )
})

/** Quotes a text for a shell: nothing in it can end the quotes. */
const quoted = (text: string) => `'${harmless(text).replaceAll("'", "'\\''")}'`

export interface Place {
  readonly agent_id: string
  readonly session_id: string
}

/** The request that answers it, to be pasted into a shell. */
export const howTo = Effect.fnUntraced(
  function*(
    { identity, url }: { readonly identity: string; readonly url: string },
    place: Place,
    run: string,
    reply_id: MessageId,
    calls: ReadonlyArray<ToolCallBlock>
  ) {
    const screen = yield* Screen
    const asking = calls.filter(({ state }) => state === "asking")
    const input: AnswerInput = asking.length > 0
      ? answering(reply_id, asking.map((call) => resultOf(call, "once")))
      : {
        type: "EXTERNAL_EXECUTION_RESULT",
        reply_id,
        execution_results: calls.map(({ id }) => ({ id, output: "the result, as text", state: "success" }))
      }
    const body = JSON.stringify({ ...place, input })
    const curl = `curl -N ${quoted(`${url}/chat`)} ${identity} -H 'content-type: application/json' -d ${quoted(body)}`
    const also = asking.length > 0 ? ", or allow or refuse all that a chat asks with --approve or --deny" : ""
    yield* screen.err(
      `${
        dim(`Answer it with ${commandOf(run, asking.length > 0)}${also}, or with:\n  ${curl}`, screen.hasColour.err)
      }\n`
    )
  }
)
