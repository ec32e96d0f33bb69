/**
 * Makes a standard document of the derived one: OpenAPI 3.1 that linters and
 * generators of clients take, words by a person, and nothing of our library.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type * as OpenApi from "@effect/platform/OpenApi"
import { Context, Option } from "effect"
import { eventStreamType } from "./EventStream.ts"
import { ExampleBody, RequiredScope, TakesBytes } from "./Operation.ts"
import { parameters as words } from "./ParameterWords.ts"
import * as Problem from "./Problem.ts"
import { cleaner, isUsedIn, type JsonSchema } from "./Schemas.ts"

type Transform = Context.Tag.Service<typeof OpenApi.Transform>

interface Parameter {
  readonly name: string
  readonly in: string
  readonly required: boolean
  readonly schema: JsonSchema
}

type Content = Readonly<Record<string, { readonly schema: JsonSchema }>>

interface Response {
  readonly description: string
  readonly content?: Content
}

interface Operation {
  readonly operationId: string
  readonly description?: string
  readonly parameters: ReadonlyArray<Parameter>
  readonly requestBody?: { readonly content: Content; readonly required: true }
  readonly responses: Readonly<Record<string, Response>>
  readonly security: ReadonlyArray<object>
}

interface Document {
  readonly info: object
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly securitySchemes: object
  }
  readonly tags: ReadonlyArray<object>
}

/** The problem of each status, and its example. */
const problems: Readonly<Record<string, readonly [title: string, code: string, description: string, detail: string]>> =
  {
    400: ["Bad Request", "malformed", "The request could not be read.", "The body is not JSON."],
    401: ["Unauthorized", "unauthenticated", "No valid identity came with the request.", "Send an API key."],
    403: ["Forbidden", "scope_missing", "The identity lacks a scope.", "This needs an API key with the scope 'write'."],
    404: ["Not Found", "not_found", "There is no such thing, or it is not yours.", "Agent 'x' not found."],
    409: ["Conflict", "conflict", "The present state forbids it.", "The session is busy."],
    410: ["Gone", "gone", "It has been removed.", "The events after 3 are no longer kept."],
    413: ["Content Too Large", "too_large", "The body exceeds its limit.", "The body is larger than the limit."],
    415: ["Unsupported Media Type", "unsupported_content_type", "The body is not JSON.", "Send application/json."],
    422: [
      "Unprocessable Content",
      "invalid",
      "A field is missing or wrong.",
      "The request is not valid. name: is missing"
    ],
    429: ["Too Many Requests", "limit_reached", "A limit was reached.", "Too many inputs wait in this session."],
    500: ["Internal Server Error", "internal", "Something broke on the server's side.", "Something broke on our side."],
    502: ["Bad Gateway", "upstream", "The provider of the model failed.", "The provider answered with an error."],
    507: [
      "Insufficient Storage",
      "workspace_full",
      "There is no room left in the workspace.",
      "There is room for 0 bytes more in the workspace: delete what is not needed."
    ],
    503: ["Service Unavailable", "unavailable", "The server is not ready.", "The server is starting. Try again."]
  }

const problemContent = (schema: string, example?: object) => ({
  "application/problem+json": {
    schema: { $ref: `#/components/schemas/${schema}` },
    ...example !== undefined && { example }
  }
})

const responseOf = (status: string) => {
  const [title, code, description, detail] = problems[status]!
  const example = { type: "about:blank", title, status: Number(status), detail, code, request_id: "k3v9x2m7q4" }
  return { description, content: problemContent("Problem", example) }
}

/** Under one status each: an answer under `default` would be a success to some generators. */
const components = Object.fromEntries(
  Object.entries(problems).map(([status]) => [`Problem${status}`, responseOf(status)])
)

const refersTo = (content: Content | undefined, name: string) =>
  JSON.stringify(content ?? {}).includes(`"#/components/schemas/${name}"`)

/** Whether an operation can give this problem, beside those that it declares itself. */
const canGive = (method: string, { parameters, requestBody }: Operation, status: string) => {
  switch (status) {
    case "413":
    case "415":
      return requestBody !== undefined
    case "422":
      return requestBody !== undefined || parameters.length > 0
    case "503":
      // Whatever brings work is refused while the server starts or drains.
      return method !== "get"
    default:
      return true
  }
}

/** A 503 of the health endpoints is an answer, not a problem. */
const isProblem = (status: string, { content }: Response) =>
  Number(status) >= 400 && Object.keys(Problem).some((name) => refersTo(content, name))

const successes: Readonly<Record<string, string>> = {
  200: "The answer.",
  201: "It is made.",
  202: "It is taken, and goes on by itself.",
  204: "It is gone.",
  503: "Not now."
}

const streamed = {
  schema: {
    type: "string",
    description: "Frames of `id: <seq>` and `data: <AgentEvent as JSON>`, and comments in between.",
    contentMediaType: eventStreamType,
    contentSchema: { type: "array", items: { $ref: "#/components/schemas/AgentEvent" } }
  }
}

/** A body that is a file of any media type. */
const anyFile = {
  required: true,
  content: { "application/octet-stream": { schema: { type: "string", format: "binary" } } }
} as const

/** The standard has these two said by other means than a parameter. */
const unsaid = new Set(["accept"])

const securityOf = ({ responses, security }: Operation, scope: string | null) => {
  if (scope !== null) return security
  // Open to all, but who says who they are see more.
  return responses["401"] === undefined ? [] : [{}, { user: [] }, { key: [] }]
}

const annotationsOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
) => {
  const all = new Map<string, Context.Context<never>>()
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, mergedAnnotations }) =>
      void all.set(`${group.identifier}.${endpoint.name}`, mergedAnnotations)
  })
  return all
}

export const describing = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): Transform => {
  const annotations = annotationsOf(api)
  return (derived) => {
    const document = derived as unknown as Document
    const clean = cleaner(document.components.schemas)

    const described = (operationId: string) => (parameter: Parameter) => {
      const schema = clean.inline(parameter.schema)
      const [example] = schema.examples ?? []
      return {
        ...parameter,
        description: words[`${operationId}.${parameter.name}`] ?? words[parameter.name],
        schema: { ...schema, examples: undefined },
        ...example !== undefined && { example }
      }
    }

    const contentOf = (content: Content, operationId: string, example?: object) =>
      Object.fromEntries(
        Object.entries(content).map(([type, { schema }]) => [
          type,
          type === eventStreamType ? streamed : {
            schema: clean.inline(schema, operationId),
            ...example !== undefined && { example }
          }
        ])
      )

    const operation = (method: string, given: Operation) => {
      const { description = "", operationId, requestBody } = given
      const said = annotations.get(operationId)!
      const scope = Option.getOrNull(Context.getOption(said as Context.Context<RequiredScope>, RequiredScope))
      const example = Option.getOrUndefined(Context.getOption(said as Context.Context<ExampleBody>, ExampleBody))
      const parameters = given.parameters.filter(({ in: place, name }) => place !== "header" || !unsaid.has(name))
      const takesBytes = Option.isSome(Context.getOption(said as Context.Context<TakesBytes>, TakesBytes))
      const asked: Operation = { ...given, parameters, ...takesBytes && { requestBody: anyFile } }
      const responses = Object.entries(given.responses).flatMap(
        ([status, response]): ReadonlyArray<[string, object]> => {
          if (!isProblem(status, response)) {
            const { content } = response
            return [[status, {
              description: successes[status]!,
              ...content && { content: contentOf(content, operationId) }
            }]]
          }
          if (!canGive(method, asked, status)) return []
          return refersTo(response.content, "CredentialInUse")
            ? [[status, {
              description: "Sessions or agents use the credential.",
              content: problemContent("CredentialInUse")
            }]]
            : [[status, { $ref: `#/components/responses/Problem${status}` }]]
        }
      )
      return {
        ...given,
        description: scope === null ? description : `${description}\n\nNeeds the scope \`${scope}\`.`.trim(),
        ...scope !== null && { "x-required-scope": scope },
        parameters: parameters.map(described(operationId)),
        ...takesBytes && { requestBody: anyFile },
        ...requestBody !== undefined && {
          requestBody: { required: true, content: contentOf(requestBody.content, operationId, example) }
        },
        responses: Object.fromEntries(responses),
        security: securityOf(given, scope)
      }
    }

    const paths = Object.fromEntries(
      Object.entries(document.paths).map(([path, operations]) => [
        path,
        Object.fromEntries(Object.entries(operations).map(([method, given]) => [method, operation(method, given)]))
      ])
    )
    const schemas = clean.all()
    const used = isUsedIn({ paths, components }, schemas)
    return {
      openapi: "3.1.0",
      info: {
        ...document.info,
        license: { name: "MIT", identifier: "MIT" },
        contact: { name: "Whoever runs this server" }
      },
      servers: [{ url: "/", description: "The server that this document comes from." }],
      tags: document.tags,
      paths,
      components: {
        schemas: Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name))),
        responses: Object.fromEntries(
          Object.entries(components).filter(([name]) => JSON.stringify(paths).includes(`/responses/${name}"`))
        ),
        securitySchemes: document.components.securitySchemes
      }
    }
  }
}
