import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Clock, Effect, Schema } from "effect"
import { type Credential, CredentialInUse, defaultName, present } from "../../domain/Credential.ts"
import { Conflict } from "../../domain/Errors.ts"
import { CredentialId, type UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { type CredentialFields, Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { now, timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import { Api } from "../Api.ts"
import { CredentialCreated } from "../api/Credentials.ts"
import { formOf, withNumbers } from "../FormSchema.ts"
import { created } from "./Created.ts"
import { usesOf } from "./CredentialUses.ts"
import { everything } from "./Everything.ts"

const Secrets = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String }))

const constOf = (schema: unknown): unknown => isObject(schema) ? schema["const"] : undefined

const unreadable = new Conflict({
  code: "credential_unreadable",
  detail: "The stored secrets cannot be opened with this server's key: send all of them again."
})

export const layer = HttpApiBuilder.group(Api, "credentials", (handlers) =>
  Effect.gen(function*() {
    const storage = yield* Storage
    const { credentials } = storage
    const models = yield* Models
    const vault = yield* Vault
    const newId = yield* NewId
    const { once } = yield* Idempotency

    const sealedFor = (owner: UserId, id: CredentialId) => ({ owner, record: `credentials/${id}` })

    const open = ({ id, sealed, user_id }: Credential) =>
      sealed === null
        ? Effect.succeed({})
        : Effect.mapError(
          Effect.flatMap(vault.open(sealed, sealedFor(user_id, id)), Schema.decode(Secrets)),
          () => unreadable
        )

    /** The stored form of a credential's fields. */
    const fieldsOf = Effect.fnUntraced(
      function*(owner: UserId, id: CredentialId, { name, secrets, settings, type }: CredentialFields) {
        const names = Object.keys(secrets)
        const sealed = names.length === 0 ? null : yield* vault.seal(JSON.stringify(secrets), sealedFor(owner, id))
        return { type, name: name === "" ? yield* nameFor(owner, type) : name, settings, secrets: names, sealed }
      }
    )

    const schemaOf = new Map(
      models.schemas.map((schema) => [isObject(schema["properties"]) && constOf(schema["properties"]["type"]), schema])
    )

    /** Checks what was given; what a form sends as text is a number where its field is one. */
    const read = (data: JsonObject, kept: ReadonlyArray<string>) =>
      models.readCredential(withNumbers(data, schemaOf.get(data["type"])), kept)

    /** The fields of a replacement; of the same type, it keeps the name and the secrets that it does not give. */
    const readOver = Effect.fnUntraced(function*(before: Credential, data: JsonObject) {
      if (data["type"] !== before.type) return yield* read(data, [])
      const fields = yield* read(data, before.secrets)
      const isComplete = before.secrets.every((name) => name in fields.secrets)
      const secrets = isComplete ? fields.secrets : { ...yield* open(before), ...fields.secrets }
      return { ...fields, secrets, name: fields.name === "" ? before.name : fields.name }
    })

    const nameFor = (owner: UserId, type: string) =>
      everything((page) => credentials.list(owner, page)).pipe(
        Effect.orDie,
        Effect.map((all) => defaultName(type, new Set(all.map(({ name }) => name))))
      )

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { user_id } = yield* CurrentPrincipal
          const { items, ...rest } = yield* credentials.list(user_id, urlParams)
          return { credentials: items.map(present), ...rest }
        })
      )
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const { user_id } = yield* CurrentPrincipal
          const { credential_id } = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /credential",
              body: payload,
              answer: CredentialCreated
            },
            Effect.fnUntraced(function*({ keep }) {
              const millis = yield* Clock.currentTimeMillis
              const at = timestampOf(millis)
              const id = CredentialId.make(newId.record(millis))
              const fields = yield* fieldsOf(user_id, id, yield* read(payload.data, []))
              const credential = { id, user_id, created_at: at, updated_at: at, ...fields }
              return yield* keep(Effect.as(Effect.orDie(credentials.insert(credential)), { credential_id: id }))
            })
          )
          return created({ credential_id }, `/credential/${credential_id}`)
        })
      )
      .handle("get", ({ path }) =>
        Effect.flatMap(
          CurrentPrincipal,
          ({ user_id }) => Effect.map(credentials.get(user_id, path.credential_id), present)
        ))
      .handle(
        "update",
        Effect.fnUntraced(function*({ path, payload: { data } }) {
          const { user_id } = yield* CurrentPrincipal
          const before = yield* credentials.get(user_id, path.credential_id)
          const fields = yield* fieldsOf(user_id, before.id, yield* readOver(before, data))
          const at = yield* now
          return present(
            yield* credentials.modify(
              user_id,
              before.id,
              (credential) => ({ ...credential, ...fields, updated_at: at })
            )
          )
        })
      )
      .handle(
        "remove",
        Effect.fnUntraced(function*({ path: { credential_id }, urlParams: { force } }) {
          const { user_id } = yield* CurrentPrincipal
          yield* credentials.get(user_id, credential_id)
          const uses = force ? [] : yield* usesOf(storage, user_id, credential_id)
          if (uses.length > 0) return yield* CredentialInUse.of(uses)
          yield* credentials.remove(user_id, credential_id)
        })
      )
      .handle(
        "test",
        ({ path }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => models.test(user_id, path.credential_id))
      )
      .handle("schemas", () => Effect.sync(() => ({ schemas: models.schemas.map(formOf) })))
  }))
