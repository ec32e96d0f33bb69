/**
 * What the server writes while it runs: a line for each thing, for programs as
 * JSON or logfmt, for people as Effect prints it. Fields beside `time`, `level`
 * and `message` are the annotations (`request_id`, `session_id`, `run_id` …),
 * and `error` and `stack` of what went wrong.
 */
import { Cause, HashMap, Inspectable, Layer, Logger, LogLevel } from "effect"
import type { Settings } from "../domain/Settings.ts"

type Field = string | number | boolean | null

/** Longest text of one field, in characters. */
const maxText = 16_384

const short = (text: string) => text.length > maxText ? `${text.slice(0, maxText)}…` : text

const fieldOf = (value: unknown): Field =>
  value === null || typeof value === "number" || typeof value === "boolean"
    ? value
    : short(typeof value === "string" ? value : Inspectable.stringifyCircular(Inspectable.toJSON(value)))

const messageOf = (message: unknown) =>
  (Array.isArray(message) ? message : [message])
    .map((part) => part instanceof Error ? part.message : String(fieldOf(part)))
    .join(" ")

/** Names that an annotation cannot take. */
const own = new Set(["time", "level", "message"])

/** Flat, so that every reader of logs finds the fields by name. */
const fieldsOf = (
  { annotations, cause, date, logLevel, message }: Logger.Logger.Options<unknown>
): Readonly<Record<string, Field>> => {
  const fields: Record<string, Field> = {}
  for (const [name, value] of HashMap.entries(annotations)) if (!own.has(name)) fields[name] = fieldOf(value)
  return {
    time: date.toISOString(),
    level: levelOf(logLevel),
    message: short(messageOf(message)),
    ...fields,
    ...(!Cause.isEmpty(cause) && {
      error: short(Cause.prettyErrors(cause).map((error) => error.message).join("; ")),
      stack: short(Cause.pretty(cause, { renderErrorCause: true }))
    })
  }
}

/** The level as the setting names it. */
const levelOf = ({ _tag }: LogLevel.LogLevel) => _tag.toLowerCase()

const json = Logger.make((options) => JSON.stringify(fieldsOf(options)))

/** The value, quoted when a reader could not tell where it ends. */
const plain = /^[^\s"=\\\p{Cc}]+$/u

const logfmt = Logger.make((options) =>
  Object.entries(fieldsOf(options))
    .map(([name, value]) =>
      `${name.replaceAll(/[\s"=]/g, "_")}=${plain.test(String(value)) ? String(value) : JSON.stringify(String(value))}`
    )
    .join(" ")
)

const pretty = Logger.prettyLogger({ formatDate: (date) => date.toISOString(), mode: "tty" })

/** Lines as text, by the name of their format. */
export const encodings = { json, logfmt }

const loggers = { json: Logger.withConsoleLog(json), logfmt: Logger.withConsoleLog(logfmt), pretty }

const levels = {
  trace: LogLevel.Trace,
  debug: LogLevel.Debug,
  info: LogLevel.Info,
  warning: LogLevel.Warning,
  error: LogLevel.Error,
  fatal: LogLevel.Fatal,
  none: LogLevel.None
} as const

/** As the settings say; without a word on the format, as whoever reads standard output can read it. */
export const layer = ({ log_format = process.stdout.isTTY ? "pretty" : "json", log_level }: Settings) =>
  Layer.merge(Logger.replace(Logger.defaultLogger, loggers[log_format]), Logger.minimumLogLevel(levels[log_level]))
