/**
 * A channel speaks a protocol that is not ours. It is a value: its name, where it
 * is mounted, its own `HttpApi`, what answers there, and how it writes errors.
 * What a request means is decided by its decoder, a pure function; what a run's
 * events become is its encoder, of which each subscriber has one of its own
 * (`Follow.ts`). It reaches the engine by the same tags as the native API.
 */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as OpenApi from "@effect/platform/OpenApi"
import { Layer } from "effect"
import type { CardChoice } from "../../domain/Channel.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { A2aPushes } from "../../services/A2aPushes.ts"
import type { AgentConfigs } from "../../services/AgentConfigs.ts"
import type { Auth } from "../../services/Auth.ts"
import type { Catalog } from "../../services/Catalog.ts"
import type { DirectCalls } from "../../services/DirectCalls.ts"
import type { Idempotency } from "../../services/Idempotency.ts"
import type { Ledger } from "../../services/Ledger.ts"
import type { Mcp } from "../../services/Mcp.ts"
import type { Models } from "../../services/Models.ts"
import type { OwnAgents } from "../../services/OwnAgents.ts"
import type { OwnTasks } from "../../services/OwnTasks.ts"
import type { Readiness } from "../../services/Readiness.ts"
import type { Recall } from "../../services/Recall.ts"
import type { RemoteAgents } from "../../services/RemoteAgents.ts"
import type { Scheduler } from "../../services/Scheduler.ts"
import type { SessionArchive } from "../../services/SessionArchive.ts"
import type { SessionHub } from "../../services/SessionHub.ts"
import type { SessionKeys } from "../../services/SessionKeys.ts"
import type { Skills } from "../../services/Skills.ts"
import type { Storage } from "../../services/Storage.ts"
import type { Toolbox } from "../../services/Toolbox.ts"
import type { Workspace } from "../../services/Workspace.ts"
import type { Authentication } from "../api/Authentication.ts"
import { bare } from "../Bare.ts"
import { type Described, routesOf } from "../middleware/Methods.ts"
import type { Problem, Respond } from "../middleware/Problems.ts"
import type { Sse } from "../Sse.ts"
import type { WebSockets } from "../WebSockets.ts"
import type { Hook } from "./Hook.ts"
import { layerAround, type Let } from "./Hooks.ts"

/** What a channel's handlers may ask for. */
export type Services =
  | A2aPushes
  | AgentConfigs
  | Auth
  | Authentication
  | Catalog
  | DirectCalls
  | Idempotency
  | Ledger
  | Mcp
  | Models
  | Readiness
  | Recall
  | RemoteAgents
  | Scheduler
  | SessionArchive
  | OwnAgents
  | OwnTasks
  | SessionHub
  | SessionKeys
  | Skills
  | Sse
  | Storage
  | Toolbox
  | Workspace
  | WebSockets

/** What the operator has chosen for one channel. */
export interface Options {
  readonly name: string
  /** `/v1`, or empty for the root. */
  readonly mount: string
  /** The name or id of the agent that answers where a request names none. */
  readonly agent: string | undefined
  /** Hours after which an unused key gets a new session; 0 is never. */
  readonly idleHours: number
  /** Whether headers that say who asks are set by a proxy that is trusted. */
  readonly trusted: boolean
  /** Which options of a request reach an agent, where the operator has said it. */
  readonly options?: Let | undefined
  /** What its card says, if it has one. */
  readonly card?: CardChoice | undefined
  readonly hooks?: ReadonlyArray<Hook> | undefined
}

/** How the protocol treats a run, beside what it writes. */
export interface Policy {
  /** What becomes of the run when its client leaves before the end. */
  readonly leaving: "cancels" | "goes on"
  /** A run that waits for a person's permission: the protocol can show that, or such a run is stopped with a sentence. */
  readonly approval: "shown" | "refused"
  /** What stands after a stream's last frame. */
  readonly end: string
}

/**
 * What one subscriber of one run is sent. What it answers depends on nothing but
 * the events that it was given, in their order: the same run rendered again gives the same bytes.
 */
export interface Encoder {
  /** The frames of one event, which may be none. */
  readonly step: (event: AgentEvent) => string
  /** The frames that tell of a failure in the middle of a stream. */
  readonly failed: (problem: Problem) => string
}

/** The channel at its place. */
export interface Mounted {
  readonly name: string
  readonly mount: string
  readonly title: string
  readonly routes: ReadonlyArray<Described>
  /** The OpenAPI document, made when it is asked for. */
  readonly document: () => object
  /** Writes a failure in the form of the protocol, whatever it is. */
  readonly respond: Respond
  /** The same by path and method, where a protocol has two forms of errors, or a path with the native API in common. */
  readonly respondAt?: (path: string, method: string) => Respond
  /** Where in a body a long text is a file: `messages.0.content.1.image_url.url`. */
  readonly filePlaces: ReadonlyArray<RegExp>
  /** Where else a request is answered, such as by the native API; undefined for what is answered where it is asked. */
  readonly forward?: (method: string, url: string, accept?: string | undefined) => string | undefined
  readonly layer: Layer.Layer<never, never, Services | HttpLayerRouter.HttpRouter | Platform>
}

/** What the server itself brings. */
type Platform = Exclude<
  Layer.Layer.Context<ReturnType<typeof HttpLayerRouter.addHttpApi<"channel", never, never, never>>>,
  HttpLayerRouter.HttpRouter
>

export interface Channel {
  /** The name in `stoa.yaml`, in an agent's `channels`, and at `/docs/<name>`. */
  readonly name: string
  readonly title: string
  /** Where it is mounted unless the operator says otherwise. */
  readonly mount: string
  readonly at: (options: Options) => Mounted
}

export interface Definition<Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E> {
  readonly name: string
  readonly title: string
  readonly mount: string
  /** Its paths are those below the mount. Each endpoint says which scope it needs, with `operation` of `http/api/Operation.ts`. */
  readonly api: HttpApi.HttpApi<Id, Groups, E, never>
  /** The api that is handed over has the mount in its paths. */
  readonly handlers: (
    api: HttpApi.HttpApi<Id, Groups, E, never>,
    options: Options
  ) => Layer.Layer<HttpApiGroup.HttpApiGroup.ToService<Id, Groups>, never, Services>
  readonly respond: Respond
  /** The status of an error by the status that it has inside, and the schema of its body, for the document. */
  readonly errors: {
    readonly statusOf: (status: number) => number
    readonly schema: object
    /** Of the body, where it is no JSON. */
    readonly mediaType?: string
  }
  readonly filePlaces?: ReadonlyArray<RegExp>
  /**
   * Which options of a request reach an agent unless the operator says otherwise: `instructions`, `output_schema`,
   * `tool_choice`, `tools`, and the parameters of models. Nothing gets through that is not named: what a protocol lets
   * its clients change about somebody's agent is decided here.
   */
  readonly options: Let
}

export interface Operation {
  readonly responses: Readonly<Record<string, object>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, object>> }
}

/** The derived document with the protocol's own errors in the place of ours. */
export const documented = (
  document: OpenApi.OpenAPISpec,
  { mediaType = "application/json", schema, statusOf }: Definition<string, never, never>["errors"]
): Document => {
  const { components, paths, ...rest } = document as unknown as Document
  const content = { [mediaType]: { schema: { $ref: "#/components/schemas/ChannelError" } } }
  const operation = (given: Operation) => ({
    ...given,
    responses: Object.fromEntries(
      Object.entries(given.responses).map(([status, response]) =>
        Number(status) < 400
          ? [status, response]
          : [String(statusOf(Number(status))), { description: "Error", content }]
      )
    )
  })
  return {
    ...rest,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, operations]) => [
        path.replace("/*", "/{id}"),
        Object.fromEntries(Object.entries(operations).map(([method, given]) => [method, operation(given)]))
      ])
    ),
    components: { ...components, schemas: { ...components.schemas, ChannelError: schema } }
  }
}

export const make = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E>(
  definition: Definition<Id, Groups, E>
): Channel => {
  const { errors, filePlaces = [], handlers, mount, name, respond, title } = definition
  return {
    name,
    title,
    mount,
    at: (options) => {
      const api = options.mount === "" ? definition.api : definition.api.prefix(options.mount as `/${string}`)
      return {
        name,
        title,
        mount: options.mount,
        routes: routesOf(api),
        document: () => documented(OpenApi.fromApi(api), errors),
        respond,
        filePlaces,
        // Every requirement of the handlers is one of `Services`, which the types of a generic api cannot show.
        layer: Layer.provide(
          HttpLayerRouter.addHttpApi(bare(api)),
          layerAround(handlers(api, options), {
            channel: name,
            hooks: options.hooks ?? [],
            options: options.options ?? definition.options
          })
        ) as unknown as Mounted["layer"]
      }
    }
  }
}
