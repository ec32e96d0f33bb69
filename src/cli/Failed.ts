/**
 * How a command ends. Every failure becomes one line on stderr and one of these
 * exit codes; stacks, JSON and secrets stay inside.
 */
import { Data, ParseResult, Predicate } from "effect"
import { databaseEnded } from "../domain/ExitCode.ts"
import { Refused, Unreachable } from "./client/Failures.ts"

export const exitCodes = {
  ok: 0,
  /** The server or the request failed. */
  failed: 1,
  usage: 2,
  notFound: 3,
  unauthorised: 4,
  unreachable: 5,
  /** The server's embedded database has ended; a new start opens it again. */
  databaseEnded,
  interrupted: 130,
  /** The code with which shells report SIGTERM. */
  terminated: 143
} as const

/** `message` is a sentence for the person at the terminal. */
export class Failed extends Data.TaggedError("Failed")<{
  readonly exitCode: number
  readonly message: string
}> {}

export const failed = (message: string): Failed => new Failed({ exitCode: exitCodes.failed, message })
export const misused = (message: string): Failed => new Failed({ exitCode: exitCodes.usage, message })
export const notFound = (message: string): Failed => new Failed({ exitCode: exitCodes.notFound, message })

/** A run ended because Ctrl-C asked for it. */
export class Stopped extends Data.TaggedError("Stopped")<{}> {}

const codeOfStatus = (status: number): number => {
  switch (status) {
    case 401:
    case 403:
      return exitCodes.unauthorised
    case 404:
    case 410:
      return exitCodes.notFound
    default:
      return exitCodes.failed
  }
}

const isBelow = (path: ReadonlyArray<PropertyKey>, above: ReadonlyArray<PropertyKey>): boolean =>
  path.length > above.length && above.every((name, i) => path[i] === name)

/** What a decoder complains about, without the values. */
export const complaintOf = (error: ParseResult.ParseError): string => {
  const all = ParseResult.ArrayFormatter.formatErrorSync(error)
  // It could have been left out, or been something else altogether: where it is wrong inside says more.
  const inside = all.filter(({ message, path }) =>
    !/^Expected (undefined|null)\b/.test(message) && !all.some((other) => isBelow(other.path, path))
  )
  return (inside.length === 0 ? all : inside)
    .map(({ message, path }) =>
      `${path.length === 0 ? "" : `${path.join(".")}: `}${message.replace(/, actual .*$/s, "")}`
    )
    .join("; ")
}

/** Longest line that an error may be. */
const maxLine = 1000

/** One line: no control characters, so that nothing from elsewhere steers the terminal. */
const inOneLine = (text: string) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ").trim().slice(0, maxLine)

const describe = (error: unknown): Failed => {
  if (error instanceof Failed) return error
  if (error instanceof Stopped) return new Failed({ exitCode: exitCodes.interrupted, message: "Interrupted." })
  if (error instanceof Refused) return new Failed({ exitCode: codeOfStatus(error.status), message: error.message })
  if (error instanceof Unreachable) return new Failed({ exitCode: exitCodes.unreachable, message: error.message })
  if (ParseResult.isParseError(error) || Predicate.isTagged(error, "ResponseError")) {
    return failed(
      "The server's answer was not understood. Is it a Stoa server, and of this version? See `stoa doctor`."
    )
  }
  if (Predicate.isTagged(error, "SettingsRefused") && error instanceof Error) return misused(error.message)
  if (Predicate.isTagged(error, "StorageEnded") && error instanceof Error) {
    return new Failed({ exitCode: exitCodes.databaseEnded, message: error.message })
  }
  return failed(error instanceof Error && error.message !== "" ? error.message : "Something unexpected happened.")
}

export const explain = (error: unknown): { readonly exitCode: number; readonly line: string } => {
  const { exitCode, message } = describe(error)
  return { exitCode, line: `stoa: ${inOneLine(message)}` }
}
