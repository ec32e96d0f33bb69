/** Asks the person at the terminal what the server of a tool wants to know, and sends the answer. */
import { Effect, Either, Fiber, FiberMap, Option } from "effect"
import { type ElicitationAnswer, type ElicitationQuestion, formOf } from "../domain/Elicitation.ts"
import { choicesOf, contentOf, type ElicitationField, type ElicitationForm } from "../domain/ElicitationForm.ts"
import type { SessionId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"
import type { Ask, Consent } from "./Asking.ts"
import { Refused } from "./client/Failures.ts"
import type { Connection } from "./Connection.ts"
import { dim, harmless, Screen } from "./Screen.ts"

const decline: ElicitationAnswer = { action: "decline", content: null }
const cancel: ElicitationAnswer = { action: "cancel", content: null }

const isYes = (typed: string) => /^y(es)?$/i.test(typed.trim())

/** What was typed, as the field takes it; undefined for nothing. What does not fit is told by the form. */
const valueOf = (field: ElicitationField, typed: string): unknown => {
  const text = typed.trim()
  if (text === "") return undefined
  switch (field.type) {
    case "boolean":
      return isYes(text) || text === "true" ? true : /^(no?|false)$/i.test(text) ? false : text
    case "array":
      return text.split(",").map((one) => one.trim()).filter((one) => one !== "")
    case "string":
      return text
    default:
      return Number.isNaN(Number(text)) ? text : Number(text)
  }
}

const promptOf = (name: string, field: ElicitationField, isRequired: boolean) => {
  const choices = field.type === "boolean" ? ["yes", "no"] : choicesOf(field)
  const more = [
    ...(choices === undefined ? [] : [choices.join("|")]),
    ...(field.type === "array" ? ["with commas between"] : []),
    ...(field.default === undefined ? isRequired ? [] : ["may be empty"] : [`empty: ${JSON.stringify(field.default)}`])
  ]
  return harmless(`  ${field.title ?? name}${more.length === 0 ? "" : ` (${more.join("; ")})`}: `)
}

/** Asks field by field, and all of it again when it does not fit. None at the end of the input. */
const fillIn = (form: ElicitationForm, ask: Ask): Effect.Effect<Option.Option<JsonObject>, never, Screen> =>
  Effect.gen(function*() {
    const content: Record<string, unknown> = {}
    for (const [name, field] of Object.entries(form.properties)) {
      if (field.description !== undefined) yield* (yield* Screen).err(`  ${harmless(field.description)}\n`)
      const typed = yield* ask(promptOf(name, field, form.required?.includes(name) === true))
      if (Option.isNone(typed)) return Option.none()
      const value = valueOf(field, typed.value)
      if (value !== undefined) content[name] = value
    }
    const checked = contentOf(form, content)
    if (Either.isRight(checked)) return Option.some(checked.right)
    for (const { message, path } of checked.left) {
      yield* (yield* Screen).err(`  ${harmless(path.replace(/^content\./, ""))}: ${harmless(message)}\n`)
    }
    return yield* fillIn(form, ask)
  })

/** What the person says. Nothing is sent at the end of the input. */
const answerOf = Effect.fnUntraced(function*(question: ElicitationQuestion, consent: Consent, ask: Ask) {
  if (consent === "deny") return Option.some(decline)
  if (consent !== "ask") return Option.none()
  const { err } = yield* Screen
  const form = formOf(question)
  yield* err(`${harmless(question.tool_name)} asks: ${harmless(question.message)}\n`)
  if (question.url !== null) yield* err(`  ${harmless(question.url)}\n`)
  const first = yield* ask(
    Option.isSome(form) ? "Answer it? [y]es, [n]o: " : "Open this address, and say [y]es when that is done, or [n]o: "
  )
  if (Option.isNone(first)) return Option.none()
  if (!isYes(first.value)) return Option.some(first.value.trim() === "" ? cancel : decline)
  if (Option.isNone(form)) return Option.some<ElicitationAnswer>({ action: "accept", content: null })
  return Option.map(yield* fillIn(form.value, ask), (content): ElicitationAnswer => ({ action: "accept", content }))
})

/** Questions are asked one after the other, and withdrawn when they have ended elsewhere. */
export const make = Effect.fnUntraced(
  function*({ api }: Connection, session: SessionId, consent: Consent, ask: Ask) {
    const screen = yield* Screen
    const fibers = yield* FiberMap.make<string>()
    const turn = Effect.unsafeMakeSemaphore(1)
    return {
      begin: (question: ElicitationQuestion) =>
        turn.withPermits(1)(Effect.gen(function*() {
          const answer = yield* answerOf(question, consent, ask)
          const { elicitation_id } = question
          if (Option.isNone(answer)) {
            const path = `/sessions/${harmless(session)}/elicitations/${harmless(elicitation_id)}`
            return yield* screen.err(
              `${dim(`${harmless(question.tool_name)} waits for an answer: POST ${path}`, screen.hasColour.err)}\n`
            )
          }
          yield* Effect.catchAll(
            api.elicitations.answer({ path: { session_id: session, elicitation_id }, payload: answer.value }),
            // Somebody else has answered, or it has ended meanwhile.
            (error) => error instanceof Refused && error.status === 409 ? Effect.void : Effect.fail(error)
          )
        })).pipe(
          Effect.catchAll(() => screen.err("The answer could not be sent.\n")),
          Effect.provideService(Screen, screen),
          FiberMap.run(fibers, question.elicitation_id),
          Effect.asVoid
        ),
      end: (id: string) => Effect.flatMap(FiberMap.get(fibers, id), Fiber.interrupt).pipe(Effect.ignore)
    }
  }
)
