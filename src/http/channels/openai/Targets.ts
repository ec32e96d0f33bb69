/**
 * Who answers: `agent/<name>` is an agent of the caller's, and `<credential>/<model>`
 * a model behind one of its credentials. Whatever a name could mean twice is
 * refused with the ids that it could mean, and never guessed.
 */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { isPublished } from "../../../domain/Channel.ts"
import type { Credential } from "../../../domain/Credential.ts"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { Models } from "../../../services/Models.ts"
import { OwnAgents } from "../../../services/OwnAgents.ts"
import { Storage } from "../../../services/Storage.ts"
import { everything } from "../../handlers/Everything.ts"
import type { Options } from "../Channel.ts"

export type Target =
  | { readonly type: "agent"; readonly agent: Agent }
  | { readonly type: "model"; readonly credential: Credential; readonly model: string }

/** A model as a list shows it. */
export interface Listed {
  readonly id: string
  readonly object: "model"
  readonly created: number
  readonly owned_by: string
}

const prefix = "agent/"

/** Most models that a list shows. */
const maxListed = 5_000

/** Most ids that a refusal names. */
const maxNamed = 5

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

const ambiguous = (model: string, ids: ReadonlyArray<string>) =>
  new Invalid({
    code: "model_ambiguous",
    detail: `The model '${model.slice(0, 256)}' could be any of ${
      ids.slice(0, maxNamed).join(", ")
    }: name one of these.`,
    errors: [{ path: "model", message: "Expected a name that only one has" }]
  })

/** Whether a name is that of one alone. */
const onlyOnes = (all: ReadonlyArray<{ readonly name: string }>) => {
  const counts = new Map<string, number>()
  for (const { name } of all) counts.set(name, (counts.get(name) ?? 0) + 1)
  return (name: string) => counts.get(name) === 1
}

export const make = ({ agent: standing, mount, name: channel }: Pick<Options, "agent" | "mount" | "name">) =>
  Effect.gen(function*() {
    const { agents, credentials } = yield* Storage
    const models = yield* Models
    const own = yield* OwnAgents
    const lists = `GET ${mount}/models lists what there is.`

    const notFound = (model: string) =>
      new NotFound({
        code: "model_not_found",
        detail: `The model '${model.slice(0, 256)}' does not exist or you do not have access to it. ${lists}`
      })

    /** What tells the published agents apart: their prompts are long, and all of them together need not be in memory. */
    const agentsOf = (owner: UserId) =>
      Effect.zipRight(
        own.ensure(owner),
        Effect.orDie(everything((page) =>
          Effect.map(agents.list(owner, page), ({ items, next_cursor, total }) => ({
            items: items.filter(({ data }) => isPublished(data.channels, channel)).map((
              { created_at, data: { chat_model_config, code, name }, id }
            ) => ({ created_at, id, name, answers: chat_model_config !== null || code !== undefined })),
            next_cursor,
            total
          }))
        ))
      )

    const credentialsOf = (owner: UserId) => Effect.orDie(everything((page) => credentials.list(owner, page)))

    const agentCalled = Effect.fnUntraced(function*(owner: UserId, model: string, name: string) {
      // An id is looked up without reading all agents, and is never a second meaning of a name.
      const byId = yield* Effect.option(agents.get(owner, name))
      if (byId._tag === "Some" && isPublished(byId.value.data.channels, channel)) return byId.value
      const found = (yield* agentsOf(owner)).filter((agent) => agent.name === name)
      if (found.length > 1) return yield* ambiguous(model, found.map(({ id }) => `${prefix}${id}`))
      const [only] = found
      if (only === undefined) return yield* notFound(model)
      // It may have been deleted since.
      return yield* Effect.mapError(agents.get(owner, only.id), () => notFound(model))
    })

    /** The credentials of which this could be a model, by name or by id, and what is left of the name. */
    const modelsCalled = (all: ReadonlyArray<Credential>, name: string) =>
      all.flatMap((credential) =>
        [...new Set([credential.id as string, credential.name])].filter((own) =>
          own !== "" && name.startsWith(`${own}/`)
        )
          .slice(0, 1).map((own) => ({ credential, model: name.slice(own.length + 1) }))
      )

    const find = Effect.fnUntraced(function*(owner: UserId, given: string | null | undefined) {
      const model = given == null || given === "" || given === "default"
        ? standing === undefined ? given ?? "" : `${prefix}${standing}`
        : given
      if (model === "") {
        return yield* new Invalid({
          code: "model_missing",
          detail: `Name a model: ${lists}`,
          errors: [{ path: "model", message: "is missing" }]
        })
      }
      if (model.startsWith(prefix)) {
        const agent = yield* agentCalled(owner, model, model.slice(prefix.length))
        return { type: "agent", agent } satisfies Target as Target
      }
      const found = modelsCalled(yield* credentialsOf(owner), model)
      if (found.length > 1) {
        return yield* ambiguous(model, found.map(({ credential, model }) => `${credential.id}/${model}`))
      }
      const [only] = found
      return only === undefined ? yield* notFound(model) : { type: "model", ...only } satisfies Target as Target
    })

    const list = Effect.fnUntraced(function*(owner: UserId) {
      const own = yield* agentsOf(owner)
      const isOnly = onlyOnes(own)
      const answering = own.filter(({ answers }) => answers)
      const all: Array<Listed> = answering.map(({ created_at, id, name }) => ({
        id: `${prefix}${isOnly(name) ? name : id}`,
        object: "model",
        created: seconds(created_at),
        owned_by: "stoa"
      }))
      const held = yield* credentialsOf(owner)
      const isOnlyOne = onlyOnes(held)
      for (const credential of held) {
        if (all.length >= maxListed) break
        const { created_at, id, name, type } = credential
        const isPlain = name !== "" && name !== "agent" && isOnlyOne(name)
        const through = { owner, credential_id: id }
        const chat = yield* Effect.orElseSucceed(models.cards(type, through), () => [])
        const embedding = yield* Effect.orElseSucceed(models.embeddingCards(type), () => [])
        for (const card of [...chat, ...embedding]) {
          if (card.status === "sunset") continue
          all.push({
            id: `${isPlain ? name : id}/${card.name}`,
            object: "model",
            created: seconds(created_at),
            owned_by: type.replace(/_credential$/, "")
          })
        }
      }
      return all.slice(0, maxListed)
    })

    /** One model: as the list has it, or one that has no card and may be there all the same. */
    const get = Effect.fnUntraced(function*(owner: UserId, model: string) {
      const listed = (yield* list(owner)).find(({ id }) => id === model)
      if (listed !== undefined) return listed
      const target = yield* find(owner, model)
      const created_at = target.type === "agent" ? target.agent.created_at : target.credential.created_at
      if (target.type === "model") {
        const { credential } = target
        const config = { type: credential.type, credential_id: credential.id, model: target.model, parameters: {} }
        yield* Effect.mapError(models.check(owner, config), () => notFound(model))
      }
      const owned_by = target.type === "agent" ? "stoa" : target.credential.type.replace(/_credential$/, "")
      return { id: model, object: "model", created: seconds(created_at), owned_by } satisfies Listed
    })

    return { find, list, get }
  })

export type Targets = Effect.Effect.Success<ReturnType<typeof make>>
