import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, Layer } from "effect"
import { isObject } from "../../../domain/JsonSchema.ts"
import type { Message } from "../../../domain/Message.ts"
import * as MessagePage from "../../handlers/MessagePage.ts"
import * as SessionList from "../../handlers/SessionList.ts"
import * as TakenInput from "../../handlers/TakenInput.ts"
import type { api } from "./Api.ts"

/** Its classes know objects alone here; whatever else it is stands in the text as well. */
const strictly = ({ structured_output, ...message }: Message): Message =>
  isObject(structured_output) ? { ...message, structured_output } : message

/** A reply that is being made has no end yet; a parked one waits, and nothing of it comes by a stream any more. */
const isInTheMaking = ({ finished_at, role }: Message) => role === "assistant" && finished_at === null

export const layer = (newest: typeof api) => {
  const chat = HttpApiBuilder.group(
    newest,
    "chat",
    (handlers) =>
      Effect.map(TakenInput.make, (accept) =>
        handlers.handle("send", ({ headers, payload }) =>
          Effect.map(
            accept(headers["idempotency-key"], payload),
            ({ session_id }) => ({ status: "started" as const, session_id })
          )))
  )

  const sessions = HttpApiBuilder.group(
    newest,
    "sessions",
    (handlers) =>
      Effect.map(
        SessionList.make,
        (listed) =>
          handlers.handle("list", ({ urlParams }) =>
            Effect.map(listed(urlParams), ({ items, ...rest }) => ({
              sessions: items.map(({ session, status }) => ({
                session,
                status,
                is_running: status === "running",
                team: null
              })),
              ...rest
            })))
      )
  )

  const messages = HttpApiBuilder.group(
    newest,
    "messages",
    (handlers) =>
      Effect.map(
        MessagePage.make,
        (pageOf) =>
          handlers.handle("list", ({ path, urlParams }) =>
            Effect.map(pageOf(path.session_id, urlParams), ({ messages, total, ...page }) => {
              const last = messages.at(-1)
              const left = page.is_running && last !== undefined && isInTheMaking(last) ? 1 : 0
              return {
                ...page,
                messages: messages.slice(0, messages.length - left).map(strictly),
                total: total - left
              }
            }))
      )
  )

  return Layer.mergeAll(chat, sessions, messages)
}
