/** What a start prints: at length for a person at a terminal, one line for a log, and never a key into a log. */
import { Effect, Option } from "effect"
import { resolve } from "node:path"
import { dashboardOf } from "../../domain/Dashboard.ts"
import type { Session } from "../../domain/Session.ts"
import { type Settings, trustsUserHeader } from "../../domain/Settings.ts"
import { Workspace } from "../../services/Workspace.ts"
import { Screen } from "../Screen.ts"
import { version } from "../Version.ts"
import { keepKey, newestSession } from "./FirstStart.ts"
import { localUser } from "./LocalUser.ts"

const curlOf = (url: string, session: Session) => {
  const body = JSON.stringify({ agent_id: session.agent_id, session_id: session.id, input: { content: "hello" } })
  return `curl -N ${url}/chat -H 'x-user-id: ${localUser}' -H 'content-type: application/json' -d '${body}'`
}

const banner = (
  settings: Settings,
  url: string,
  about: string,
  key: string | undefined,
  session: Session | undefined
) =>
  [
    `Stoa ${version} listens on ${url}`,
    "",
    ...(dashboardOf(settings.dashboard) === undefined ? [] : [`  Browser  ${url}/dashboard`]),
    `  Docs     ${url}/docs`,
    settings.database_url === undefined
      ? `  Data     ${
        resolve(settings.data_dir)
      } (embedded: safe against kill -9, not against a power cut; for that set STOA_DATABASE_URL)`
      : "  Data     PostgreSQL",
    `  Tools    ${about}`,
    ...(key === undefined ? [] : [
      `  Admin    ${key}`,
      "           This key manages API keys and is shown this once: keep it, and use it as STOA_API_KEY."
    ]),
    ...(session === undefined || !trustsUserHeader(settings) ? [] : ["", "Try it:", "", `  ${curlOf(url, session)}`]),
    ""
  ].join("\n")

/**
 * `key` is the first admin key, when this start has made it. Nobody watches a
 * standard error that is no terminal: it is a log, so the key goes into a file.
 */
export const announce = Effect.fnUntraced(function*(settings: Settings, url: string, key: string | undefined) {
  const screen = yield* Screen
  const { about, runs } = (yield* Workspace).kind
  if (screen.isTerminal.err) return yield* screen.err(`${banner(settings, url, about, key, yield* newestSession)}\n`)
  const kept = key === undefined ? Option.none() : yield* keepKey(settings, key)
  yield* Effect.logInfo(`Stoa ${version} listens on ${url}`)
  yield* runs ? Effect.logInfo(about) : Effect.logWarning(about)
  if (key === undefined) return
  yield* Option.match(kept, {
    onSome: (path) =>
      Effect.logInfo(
        `The first admin key is in ${path}: use it as STOA_API_KEY, keep it in a safe place, delete the file`
      ),
    onNone: () =>
      Effect.logWarning(
        `The first admin key could not be kept in ${resolve(settings.data_dir)}: make one with stoa keys reset-admin`
      )
  })
})
