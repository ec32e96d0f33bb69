/** Asks a provider which models a credential sees: the cheapest question that a wrong key is refused for. */
import { Clock, Effect, Predicate } from "effect"
import type { ModelFailed } from "../../services/Models.ts"
import { failureOf, garbage, refused } from "./AiSdkFailure.ts"

export interface Question {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: typeof globalThis.fetch
}

const nameOf = (model: unknown): ReadonlyArray<string> => {
  if (!Predicate.isRecord(model)) return []
  const name = model["id"] ?? model["name"]
  return typeof name === "string" ? [name] : []
}

/** Of `{data: [{id}]}`, `{models: [{name}]}` or `[{id}]`; undefined for anything else. */
const namesIn = (body: unknown): ReadonlyArray<string> | undefined => {
  const list = Predicate.isRecord(body) ? body["data"] ?? body["models"] : body
  return Array.isArray(list) ? list.flatMap(nameOf) : undefined
}

const ask = async ({ fetch, headers, url }: Question, now: number, signal: AbortSignal) => {
  const response = await fetch(url, { headers: { accept: "application/json", ...headers }, signal })
  const text = await response.text()
  if (!response.ok) throw refused(response.status, text, Object.fromEntries(response.headers), now)
  const models = namesIn(parsed(text))
  if (models === undefined) throw garbage()
  return { models }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export const models = (question: Question): Effect.Effect<{ readonly models: ReadonlyArray<string> }, ModelFailed> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.tryPromise({
      try: (signal) => ask(question, now, signal),
      catch: (error) => failureOf(error, false, now)
    }))
