import { Command, Options } from "@effect/cli"
import { Effect, Option, Predicate, Schema, Stream } from "effect"
import type { CredentialCheck, CredentialRecord } from "../../domain/Credential.ts"
import { CredentialId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { failed, misused, notFound } from "../Failed.ts"
import { confirm, idArgument, idsArgument, optionalText, pathId, readText, yes } from "../Inputs.ts"
import { typeOf } from "../Model.ts"
import { type Column, output, print, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { Screen } from "../Screen.ts"

const columns: ReadonlyArray<Column<CredentialRecord>> = [
  ["id", ({ id }) => id],
  ["type", ({ data }) => data["type"]],
  ["name", ({ data }) => data["name"]],
  ["created", ({ created_at }) => created_at, 1]
]

const details = (record: CredentialRecord): ReadonlyArray<Column<CredentialRecord>> => [
  ...columns,
  ...Object.keys(record.data).filter((name) => !["id", "type", "name"].includes(name)).map(
    (name): Column<CredentialRecord> => [name, ({ data }) => {
      const value = data[name]
      return typeof value === "object" ? JSON.stringify(value) : value
    }]
  )
]

const common = { ...output, ...connection }

const fields = {
  name: optionalText("name", "TEXT", "What it is called"),
  set: Options.text("set").pipe(
    Options.withPseudoName("NAME=VALUE"),
    Options.withDescription("A field of the type. Secrets are better given by --secret-file"),
    Options.repeated
  ),
  secretFile: Options.text("secret-file").pipe(
    Options.withPseudoName("NAME=PATH"),
    Options.withDescription("A field from a file; NAME=- reads standard input, on a terminal without showing it"),
    Options.repeated
  )
}

const pair = (option: string, text: string) => {
  const equals = text.indexOf("=")
  return equals > 0
    ? Effect.succeed([text.slice(0, equals), text.slice(equals + 1)] as const)
    : Effect.fail(misused(`${option} is written ${option} name=value.`))
}

const secretOf = Effect.fnUntraced(function*(name: string, path: string) {
  const screen = yield* Screen
  const text = path === "-" && screen.isInteractive
    ? Option.getOrElse(yield* screen.secret(`${name}: `), () => "")
    : yield* readText(path)
  const secret = text.replace(/\r?\n$/, "")
  return secret === "" ? yield* misused(`The secret ${name} is empty.`) : secret
})

const schemaOf = (schemas: ReadonlyArray<JsonObject>, type: string): JsonObject | undefined =>
  schemas.find((schema) => {
    const properties = schema["properties"]
    const own = Predicate.isRecord(properties) ? properties["type"] : undefined
    return Predicate.isRecord(own) &&
      (own["const"] === type || (Array.isArray(own["enum"]) && own["enum"].includes(type)))
  })

const asJson = Schema.decodeOption(Schema.parseJson())

/** Texts are what their schema says: `delay_ms=20` is a number where a number belongs. */
const typed = (schema: JsonObject | undefined, name: string, text: string): unknown => {
  const properties = schema?.["properties"]
  const field = Predicate.isRecord(properties) ? properties[name] : undefined
  const types = Predicate.isRecord(field) ? [field["type"]].flat() : []
  if ((types.includes("number") || types.includes("integer")) && text.trim() !== "" && Number.isFinite(Number(text))) {
    return Number(text)
  }
  if (types.includes("array") || types.includes("object")) return Option.getOrElse(asJson(text), () => text)
  return types.includes("boolean") && /^(true|false)$/.test(text) ? text === "true" : text
}

const valuesOf = Effect.fnUntraced(function*(
  { api }: Connection,
  type: string,
  options: {
    readonly name: Option.Option<string>
    readonly set: ReadonlyArray<string>
    readonly secretFile: ReadonlyArray<string>
  }
) {
  const set = yield* Effect.forEach(options.set, (text) => pair("--set", text))
  const files = yield* Effect.forEach(options.secretFile, (text) => pair("--secret-file", text))
  if (files.filter(([, path]) => path === "-").length > 1) {
    return yield* misused("Standard input can be one secret only: give the others as files.")
  }
  const schema = set.length === 0 ? undefined : schemaOf((yield* api.credentials.schemas()).schemas, type)
  const secrets = yield* Effect.forEach(
    files,
    ([name, path]) => Effect.map(secretOf(name, path), (secret) => [name, secret] as const)
  )
  return {
    ...Option.match(options.name, { onNone: () => ({}), onSome: (name) => ({ name }) }),
    ...Object.fromEntries(set.map(([name, text]) => [name, typed(schema, name, text)])),
    ...Object.fromEntries(secrets)
  }
})

const credentialId = idArgument("credential-id", "The credential's id")

const list = Command.make(
  "list",
  { ...limit, ...common },
  (options) =>
    Effect.flatMap(connect(options), ({ api }) =>
      printAll(
        options.output,
        columns,
        all(options.limit, (urlParams) =>
          Effect.map(api.credentials.list({ urlParams }), ({ credentials, next_cursor }) => ({
            items: credentials,
            next: next_cursor
          })))
      ))
).pipe(Command.withDescription("List your credentials, without their secrets"))

const get = Command.make("get", { id: credentialId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const record = yield* api.credentials.get({
      path: { credential_id: yield* pathId(CredentialId, "credential", options.id) }
    })
    yield* printRecord(options.output, details(record), record)
  })).pipe(Command.withDescription("Show a credential, without its secrets"))

const create = Command.make(
  "create",
  {
    type: Options.text("type").pipe(
      Options.withPseudoName("TYPE"),
      Options.withDescription("Such as demo or openai_credential; see stoa credentials schemas")
    ),
    ...fields,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const type = typeOf(options.type)
      const made = yield* connected.api.credentials.create({
        headers: {},
        payload: { data: { type, ...(yield* valuesOf(connected, type, options)) } }
      })
      yield* print(options.output, made, `${made.credential_id}\n`)
    })
).pipe(Command.withDescription("Make a credential, and print its id"))

const update = Command.make("update", { id: credentialId, ...fields, ...common }, (options) =>
  Effect.gen(function*() {
    if (Option.isNone(options.name) && options.set.length === 0 && options.secretFile.length === 0) {
      return yield* misused("Nothing to change: give --name, --set or --secret-file.")
    }
    const connected = yield* connect(options)
    const { api } = connected
    const path = { credential_id: yield* pathId(CredentialId, "credential", options.id) }
    // Fields that are not named keep their values; a masked secret that is sent back keeps the stored one.
    const { data } = yield* api.credentials.get({ path })
    const values = yield* valuesOf(connected, String(data["type"]), options)
    const record = yield* api.credentials.update({ path, payload: { data: { ...data, ...values } } })
    yield* printRecord(options.output, details(record), record)
  })).pipe(Command.withDescription("Change a credential; what is not named stays"))

const remove = Command.make(
  "delete",
  {
    ids: idsArgument("credential-id", "The credentials' ids"),
    force: Options.boolean("force").pipe(
      Options.withDescription("Also what sessions or agents use: their next reply will fail")
    ),
    ...yes,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const ids = yield* Effect.forEach(options.ids, (id) => pathId(CredentialId, "credential", id))
      const warning = options.force ? " What uses it will fail." : ""
      yield* confirm(`Delete ${options.ids.join(", ")}?${warning}`, options.yes)
      const urlParams = { force: options.force }
      yield* Effect.forEach(ids, (credential_id) => api.credentials.remove({ path: { credential_id }, urlParams }), {
        discard: true
      })
    })
).pipe(Command.withDescription("Delete credentials"))

const checked: ReadonlyArray<Column<CredentialCheck>> = [
  ["works", ({ ok }) => ok ? "yes" : "no"],
  ["latency", ({ latency_ms }) => `${latency_ms} ms`],
  ["models", ({ models }) => models.join(", ")]
]

const test = Command.make("test", { id: credentialId, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const check = yield* api.credentials.test({
      path: { credential_id: yield* pathId(CredentialId, "credential", options.id) }
    })
    yield* printRecord(options.output, checked, check)
    if (check.error !== null) return yield* failed(check.error.message)
  })).pipe(Command.withDescription("Ask the provider whether a credential works, and which models it sees"))

const fieldsOf = (schema: JsonObject) => {
  const properties = schema["properties"]
  const required = Array.isArray(schema["required"]) ? schema["required"] : []
  return Predicate.isRecord(properties)
    ? Object.entries(properties).filter(([name]) => name !== "type" && name !== "id").map(([name, field]) => {
      const isSecret = Predicate.isRecord(field) && field["writeOnly"] === true
      return `${name}${required.includes(name) ? "*" : ""}${isSecret ? " (secret)" : ""}`
    })
    : []
}

const typeIn = (schema: JsonObject): unknown => {
  const properties = schema["properties"]
  const type = Predicate.isRecord(properties) ? properties["type"] : undefined
  return Predicate.isRecord(type) ? type["const"] ?? [type["enum"]].flat()[0] : undefined
}

/** The credential types that the server knows. */
export const types = (schemas: ReadonlyArray<JsonObject>): ReadonlyArray<string> =>
  schemas.map(typeIn).filter((type) => typeof type === "string")

const schemas = Command.make(
  "schemas",
  { type: optionalText("type", "TYPE", "This type only"), ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const { schemas } = yield* api.credentials.schemas()
      const wanted = Option.map(options.type, typeOf)
      const shown = schemas.filter((schema) => Option.isNone(wanted) || typeIn(schema) === wanted.value)
      if (shown.length === 0 && Option.isSome(wanted)) {
        return yield* notFound(`The server knows no credential type ${wanted.value}.`)
      }
      yield* printAll(
        options.output,
        [["type", typeIn], ["fields (* required)", (schema) => fieldsOf(schema).join(", ")]],
        Stream.fromIterable(shown)
      )
    })
).pipe(Command.withDescription("Which types there are, and their fields"))

export const credentials = Command.make("credentials").pipe(
  Command.withDescription("How models are reached; secrets go in and never come out"),
  Command.withSubcommands([list, get, create, update, remove, test, schemas])
)
