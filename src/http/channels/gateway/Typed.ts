/** The document with a path of its own for each agent that takes or answers JSON of a schema. */
import * as OpenApi from "@effect/platform/OpenApi"
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import type { AgentFrontMatter } from "../../../domain/Definition.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject } from "../../../domain/JsonSchema.ts"
import { documented, type Operation, type Options } from "../Channel.ts"
import type { Agents } from "./Agents.ts"
import type { api } from "./Api.ts"
import { errors } from "./Errors.ts"

/** Most characters of all schemas in one document; agents beyond that have the path of all agents alone. */
const maxText = 1024 * 1024

const at = "#/components/schemas/"

/** References within a schema lead to its own beginning, which is not the document's. */
const moved = (value: unknown, to: string): unknown => {
  if (Array.isArray(value)) return value.map((one) => moved(one, to))
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      key === "$ref" && typeof one === "string" && one.startsWith("#") ? `${to}${one.slice(1)}` : moved(one, to)
    ])
  )
}

/** A schema of the document with other schemas in the place of some of its properties. */
const withProperties = (schema: object | undefined, properties: JsonObject, required: ReadonlyArray<string> = []) => {
  const { properties: before, required: needed, ...rest } = schema as JsonObject
  return {
    ...rest,
    properties: { ...isObject(before) ? before : {}, ...properties },
    required: [...Array.isArray(needed) ? needed as Array<string> : [], ...required]
  }
}

const json = (name: string) => ({ content: { "application/json": { schema: { $ref: at + name } } } })

const isOnce = (names: ReadonlyArray<string>, name: string) => names.indexOf(name) === names.lastIndexOf(name)

interface Typed {
  /** In paths and in names of schemas. */
  readonly name: string
  readonly title: string
  readonly input: JsonObject | null
  readonly output: JsonObject | null
}

type Schemas = Readonly<Record<string, object>>

const schemasOf = ({ input, name, output }: Typed, { InvokeRequest, InvokeResponse, ExecutionResult }: Schemas) => ({
  ...input !== null && {
    [`Input_${name}`]: moved(input, `${at}Input_${name}`) as object,
    [`InvokeRequest_${name}`]: withProperties(
      InvokeRequest,
      { input: { $ref: `${at}Input_${name}` } },
      Array.isArray(input["required"]) && input["required"].length > 0 ? ["input"] : []
    )
  },
  ...output !== null && {
    [`Output_${name}`]: moved(output, `${at}Output_${name}`) as object,
    [`ExecutionResult_${name}`]: withProperties(ExecutionResult, {
      output: { anyOf: [{ $ref: `${at}Output_${name}` }, { type: "null" }] }
    }),
    [`InvokeResponse_${name}`]: withProperties(InvokeResponse, {
      result: { anyOf: [{ $ref: `${at}ExecutionResult_${name}` }, { type: "null" }] }
    })
  }
})

const operationOf = ({ input, name, output, title }: Typed, generic: Operation) => {
  const { parameters, ...rest } = generic as Operation & {
    readonly parameters?: ReadonlyArray<{ readonly in: string }>
  }
  return {
    ...rest,
    operationId: `runs.invoke_${name}`,
    summary: `Have ${title} do something, once`,
    parameters: parameters?.filter(({ in: place }) => place !== "path") ?? [],
    ...input !== null && { requestBody: { required: true, ...json(`InvokeRequest_${name}`) } },
    ...output !== null && {
      responses: { ...generic.responses, 200: { description: "Success", ...json(`InvokeResponse_${name}`) } }
    }
  }
}

const typedOf = (agent: Agent, front: AgentFrontMatter | undefined, isAlone: boolean): ReadonlyArray<Typed> => {
  if (front === undefined || (front.input_schema === null && front.output_schema === null)) return []
  const { name } = agent.data
  return [{
    name: isAlone ? name : agent.id,
    title: front.display_name ?? name,
    input: front.input_schema,
    output: front.output_schema
  }]
}

export const make = (mounted: typeof api, { definitionOf, known }: Agents, { mount }: Options) =>
  Effect.map(
    // To derive it takes long, and it is the same for everybody.
    Effect.cached(Effect.sync(() => documented(OpenApi.fromApi(mounted), errors))),
    (generic) =>
      Effect.fnUntraced(function*(owner: UserId, base: string) {
        const { components, paths, ...rest } = yield* generic
        const all = yield* known(owner)
        const names = all.map(({ data }) => data.name)
        let text = 0
        const typed = all
          // A name that a tenant's own agent has too is nobody's.
          .flatMap((agent) => typedOf(agent, definitionOf(agent)?.front, isOnce(names, agent.data.name)))
          .filter((one) => (text += JSON.stringify(one).length) <= maxText)
        const invoke = paths[`${mount}/agents/{agent_id}/invoke`]!["post"]!
        return {
          ...rest,
          ...base !== "" && { servers: [{ url: base }] },
          paths: {
            ...paths,
            ...Object.fromEntries(
              typed.map((one) => [`${mount}/agents/${one.name}/invoke`, { post: operationOf(one, invoke) }])
            )
          },
          components: {
            ...components,
            schemas: Object.assign({}, components.schemas, ...typed.map((one) => schemasOf(one, components.schemas)))
          }
        }
      })
  )
