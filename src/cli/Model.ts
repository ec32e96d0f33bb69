/** `provider:model` on the command line, and the credential through which it is reached. */
import { Effect, Option, Stream } from "effect"
import { CredentialId } from "../domain/Ids.ts"
import type { ChatModelConfig } from "../domain/Model.ts"
import type { Connection } from "./Connection.ts"
import { misused, notFound } from "./Failed.ts"
import { decode } from "./Inputs.ts"
import { all } from "./Paging.ts"

const suffix = "_credential"

/** The credential type of a provider: `demo` and `demo_credential` are the same. */
export const typeOf = (provider: string): string => provider.endsWith(suffix) ? provider : provider + suffix

export const providerOf = (type: string): string => type.endsWith(suffix) ? type.slice(0, -suffix.length) : type

export const modelName = (config: ChatModelConfig | null): string =>
  config === null ? "" : `${providerOf(config.type)}:${config.model}`

/** Everything after the first colon names the model: `ollama:llama3:8b`. */
const parse = (text: string) => {
  const colon = text.indexOf(":")
  return colon > 0 && colon < text.length - 1
    ? Effect.succeed({ type: typeOf(text.slice(0, colon)), model: text.slice(colon + 1) })
    : Effect.fail(misused("A model is written provider:model, such as demo:demo-chat."))
}

/** The newest credential of a type. */
const newest = ({ api }: Connection, type: string) =>
  Stream.runFold(
    all(Option.none(), (urlParams) =>
      Effect.map(api.credentials.list({ urlParams }), ({ credentials, next_cursor }) => ({
        items: credentials.filter(({ data }) => data["type"] === type),
        next: next_cursor
      }))),
    Option.none<{ readonly id: CredentialId; readonly created_at: string }>(),
    (found, credential) =>
      Option.exists(found, ({ created_at }) => created_at >= credential.created_at) ? found : Option.some(credential)
  )

/** The demo needs no secret, so its credential is made when there is none. */
const isDemo = (type: string) => type === typeOf("demo")

/** What a session is to talk to. Without a credential's id, the newest one of the provider. */
export const resolve = Effect.fn("Model.resolve")(function*(
  connection: Connection,
  text: string,
  credential: Option.Option<string>
) {
  const { model, type } = yield* parse(text)
  const { api } = connection
  const credentialId = Effect.gen(function*() {
    if (Option.isSome(credential)) return yield* decode(CredentialId, credential.value)
    const found = yield* newest(connection, type)
    if (Option.isSome(found)) return found.value.id
    if (isDemo(type)) return (yield* api.credentials.create({ headers: {}, payload: { data: { type } } })).credential_id
    return yield* notFound(
      `You have no credential of type ${type}: make one with stoa credentials create --type ${type}.`
    )
  })
  return { type, model, credential_id: yield* credentialId, parameters: {} }
})
