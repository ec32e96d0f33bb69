/** Configurations of personal agents in Storage, with their secrets sealed. */
import { Duration, Effect, Layer, Option, Schema } from "effect"
import { createHash } from "node:crypto"
import {
  type AgentConfig,
  fieldsOf,
  hidden,
  instructionsField,
  maxConfig,
  maxInstructions,
  type OpenConfig,
  sensitiveIn
} from "../../domain/AgentConfig.ts"
import { Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import type { AgentId, UserId } from "../../domain/Ids.ts"
import { JsonObject } from "../../domain/Json.ts"
import { valuesIn } from "../../domain/OutputSchema.ts"
import { AgentConfigs, type PersonalAgent } from "../../services/AgentConfigs.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import { now } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import * as SchemaCheck from "../SchemaCheck.ts"

/** How long a thread may check a configuration, and characters of one that take about as long as a value. */
const longestCheck = Duration.seconds(5)
const charactersPerValue = 8

const sealedFor = (owner: UserId, id: AgentId) => ({ owner, record: `agent_configs/${id}` })

const decodeSecrets = Schema.decodeOption(Schema.parseJson(JsonObject))

const schemaOf = ({ definition: { front } }: PersonalAgent): JsonObject => front.setup_schema ?? {}

/** Of a schema. Whoever was checked against it need not be again. */
const hashOf = (schema: JsonObject) => createHash("sha256").update(JSON.stringify(schema)).digest("hex")

const wrong = (errors: ReadonlyArray<{ readonly path: string; readonly message: string }>) =>
  new Invalid({
    code: "validation_failed",
    detail: `The configuration is not what the agent asks for. ${errors.map(({ message }) => message).join(" ")}`,
    errors
  })

const busy = new LimitReached({
  code: "too_many_checks",
  detail: "Too many configurations are being checked. Try again in a moment.",
  retry_after: 1
})

const notFound = new NotFound({
  code: "config_not_found",
  detail: "You have no configuration of this agent."
})

/** What is wrong with the given fields by themselves. */
const problemsOf = (schema: JsonObject, { [instructionsField]: instructions, ...rest }: JsonObject) => {
  const fields = fieldsOf(schema)
  const unknown = Object.keys(rest).filter((name) => !Object.hasOwn(fields, name))
  return [
    ...instructions != null && (typeof instructions !== "string" || instructions.length > maxInstructions)
      ? [{ path: instructionsField, message: `Expected a text of at most ${maxInstructions} characters.` }]
      : [],
    // Of a name that is not known nobody can say whether its value is secret.
    ...unknown.slice(0, 10).map((name) => ({
      path: name.slice(0, 128),
      message: `The agent asks for no '${name.slice(0, 128)}'.`
    })),
    ...JSON.stringify(rest).length > maxConfig
      ? [{ path: "", message: `Expected at most ${maxConfig} characters.` }]
      : []
  ]
}

const pick = (values: JsonObject, isWanted: (name: string) => boolean): JsonObject =>
  Object.fromEntries(Object.entries(values).filter(([name]) => isWanted(name)))

export const make = Effect.gen(function*() {
  const { agentConfigs: configs } = yield* Storage
  const vault = yield* Vault
  const heavy = yield* HeavyWork

  const find = (owner: UserId, { id }: PersonalAgent["agent"]) =>
    Effect.map(Effect.option(configs.get(owner, id)), Option.getOrUndefined)

  /** Undefined when they cannot be opened any more: then they must be given again. */
  const secretsOf = ({ id, sealed, user_id }: AgentConfig): Effect.Effect<JsonObject | undefined> =>
    sealed === null
      ? Effect.succeed({})
      : Effect.map(
        Effect.option(vault.open(sealed, sealedFor(user_id, id))),
        (text) => Option.getOrUndefined(Option.flatMap(text, decodeSecrets))
      )

  const check = (owner: UserId, schema: JsonObject, value: JsonObject) => {
    const text = JSON.stringify(value)
    // A pattern of the schema may take the regular expression engine very long.
    const steps = /"(?:pattern|patternProperties|format)":/.test(JSON.stringify(schema))
      ? Infinity
      : valuesIn(schema) * text.length / charactersPerValue
    const checking = SchemaCheck.check({ schema, value, text, steps, noun: "the configuration", time: longestCheck })
    return heavy.run(owner, "processor", checking).pipe(
      Effect.catchTags({
        CheckTooExpensive: () =>
          Effect.succeed<ReadonlyArray<string>>(["It could not be checked in the time that there is for it."]),
        HeavyWorkRefused: () => busy
      })
    )
  }

  const put = Effect.fnUntraced(function*(owner: UserId, personal: PersonalAgent, given: JsonObject) {
    const schema = schemaOf(personal)
    const problems = problemsOf(schema, given)
    if (problems.length > 0) return yield* wrong(problems)
    const { agent: { id } } = personal
    const before = yield* find(owner, personal.agent)
    const held = before === undefined ? {} : (yield* secretsOf(before)) ?? {}
    const sensitive = sensitiveIn(schema)
    const isKept = (name: string) => sensitive.has(name) && given[name] === hidden
    const lost = Object.keys(given).find((name) => isKept(name) && !Object.hasOwn(held, name))
    if (lost !== undefined) return yield* wrong([{ path: lost, message: `Give the value of '${lost}'.` }])
    const { [instructionsField]: instructions, ...rest } = given
    const values = Object.fromEntries(
      Object.entries(rest).map(([name, value]) => [name, isKept(name) ? held[name] : value])
    )
    const wrongs = yield* check(owner, schema, values)
    if (wrongs.length > 0) return yield* wrong(wrongs.map((message) => ({ path: "", message })))
    const secrets = pick(values, (name) => sensitive.has(name))
    const names = Object.keys(secrets).toSorted()
    const at = yield* now
    const config: AgentConfig = {
      id,
      user_id: owner,
      created_at: before?.created_at ?? at,
      updated_at: at,
      instructions: typeof instructions === "string" ? instructions : "",
      values: pick(values, (name) => !sensitive.has(name)),
      secrets: names,
      sealed: names.length === 0 ? null : yield* vault.seal(JSON.stringify(secrets), sealedFor(owner, id)),
      checked: hashOf(schema)
    }
    const replaced = configs.modify(owner, id, ({ created_at }) => ({ ...config, created_at }))
    return yield* replaced.pipe(
      Effect.catchTag("NotFound", () => configs.insert(config)),
      // Another request was first: the later one is what holds.
      Effect.catchTag("Conflict", () => replaced)
    )
  })

  const open = Effect.fnUntraced(function*(owner: UserId, personal: PersonalAgent) {
    const schema = schemaOf(personal)
    const config = yield* find(owner, personal.agent)
    const secrets = config === undefined ? undefined : yield* secretsOf(config)
    if (config === undefined || secrets === undefined) return undefined
    // What the operator has made secret since is not shown to a model, and what is asked for no more is not given.
    const fields = fieldsOf(schema)
    const sensitive = sensitiveIn(schema)
    const all = pick({ ...config.values, ...secrets }, (name) => Object.hasOwn(fields, name))
    if (config.checked !== hashOf(schema)) {
      const wrongs = yield* Effect.catchTag(
        check(owner, schema, all),
        "LimitReached",
        () => Effect.succeed(["It could not be checked."])
      )
      if (wrongs.length > 0) return undefined
      const { updated_at } = config
      const note = configs.modify(owner, config.id, (held) =>
        // What the user has told meanwhile was checked against what was asked for then.
        held.updated_at === updated_at ? { ...held, checked: hashOf(schema) } : held)
      yield* Effect.ignore(note)
    }
    const isSecret = (name: string) => sensitive.has(name) || Object.hasOwn(secrets, name)
    const opened: OpenConfig = {
      instructions: config.instructions,
      values: pick(all, (name) => !isSecret(name)),
      secrets: pick(all, isSecret)
    }
    return opened
  })

  return AgentConfigs.of({
    get: (owner, { id }) => Effect.mapError(configs.get(owner, id), () => notFound),
    put: (owner, personal, given) => put(owner, personal, given),
    remove: (owner, { id }) => Effect.mapError(configs.remove(owner, id), () => notFound),
    open: (owner, personal) => open(owner, personal),
    isComplete: (owner, personal) => Effect.map(open(owner, personal), (opened) => opened !== undefined)
  })
})

export const layer: Layer.Layer<AgentConfigs, never, Storage | Vault> = Layer.effect(AgentConfigs, make)
