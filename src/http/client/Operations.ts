/** Every operation of the native API: its method and path, by its group and name in the API's definition. */
import type * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type { Brand } from "effect"
import type { Api as Native } from "../Api.ts"
import type { Calling, Query, Requests } from "./Requests.ts"
import { unexpected } from "./StoaError.ts"

type GroupsOf<A> = A extends HttpApi.HttpApi<infer _Id, infer Groups, infer _E, infer _R> ? Groups : never

type EndpointsOf<G> = G extends HttpApiGroup.HttpApiGroup<infer _Id, infer Endpoints, infer _E, infer _R, infer _Top>
  ? Endpoints
  : never

type Groups = GroupsOf<typeof Native>

/** Ids as a program has them: texts. */
type Plain<A> = A extends string & Brand.Brand<infer _B> ? string
  : A extends number & Brand.Brand<infer _B> ? number
  : A extends (...args: infer _A) => infer _R ? A
  : A extends object ? { readonly [K in keyof A]: Plain<A[K]> }
  : A

/** What may be empty may be left out. */
type Loose<A> =
  & { readonly [K in keyof A as {} extends A[K] ? never : K]: A[K] }
  & { readonly [K in keyof A as {} extends A[K] ? K : never]?: A[K] }

type Called<Request, Success> = {} extends Loose<Request> ? (request?: Loose<Request> & Calling) => Promise<Success>
  : (request: Loose<Request> & Calling) => Promise<Success>

type Operation<E> = [E] extends [
  HttpApiEndpoint.HttpApiEndpoint<
    infer _Name,
    infer _Method,
    infer Path,
    infer UrlParams,
    infer Payload,
    infer Headers,
    infer Success,
    infer _Error,
    infer _R,
    infer _RE
  >
] ? Called<
    Plain<
      Omit<
        HttpApiEndpoint.HttpApiEndpoint.ClientRequest<Path, UrlParams, Payload, Headers, false> & object,
        "withResponse"
      >
    >,
    Plain<Success>
  >
  : never

/** Its groups are those of `/docs`. */
export type Api = {
  readonly [G in Groups as HttpApiGroup.HttpApiGroup.Name<G>]: {
    readonly [E in EndpointsOf<G> as HttpApiEndpoint.HttpApiEndpoint.Name<E>]: Operation<E>
  }
}

type Names = { readonly [G in keyof Api]: { readonly [E in keyof Api[G]]: string } }

export const operations: Names = {
  agents: {
    list: "GET /agent",
    create: "POST /agent",
    get: "GET /agent/:agent_id",
    update: "PATCH /agent/:agent_id",
    remove: "DELETE /agent/:agent_id",
    form: "GET /agent/schema/v2",
    sections: "GET /agent/schema"
  },
  credentials: {
    list: "GET /credential",
    create: "POST /credential",
    get: "GET /credential/:credential_id",
    update: "PATCH /credential/:credential_id",
    remove: "DELETE /credential/:credential_id",
    test: "POST /credential/:credential_id/test",
    schemas: "GET /credential/schemas"
  },
  models: {
    list: "GET /model",
    get: "GET /model/:provider/:name",
    embeddings: "GET /embedding-model",
    speech: "GET /tts-model"
  },
  embeddings: {
    create: "POST /embedding"
  },
  sessions: {
    list: "GET /sessions",
    create: "POST /sessions",
    get: "GET /sessions/:session_id",
    update: "PATCH /sessions/:session_id",
    remove: "DELETE /sessions/:session_id",
    export: "GET /sessions/:session_id/export",
    status: "GET /sessions/:session_id/status",
    interrupt: "POST /sessions/:session_id/interrupt",
    compact: "POST /sessions/:session_id/compact",
    stream: "GET /sessions/:session_id/stream"
  },
  sessionKeys: {
    list: "GET /session-keys",
    reset: "POST /session-keys/reset"
  },
  messages: {
    list: "GET /sessions/:session_id/messages"
  },
  files: {
    get: "GET /sessions/:session_id/files/:hash"
  },
  chat: {
    send: "POST /chat",
    stream: "POST /chat/stream",
    reply: "POST /chat/reply",
    async: "POST /chat/async"
  },
  runs: {
    list: "GET /runs",
    get: "GET /runs/:run_id",
    timeline: "GET /runs/:run_id/timeline",
    cancel: "POST /runs/:run_id/cancel",
    retry: "POST /runs/:run_id/retry",
    ofSession: "GET /sessions/:session_id/runs"
  },
  backgroundTasks: {
    list: "GET /background-tasks/:session_id",
    get: "GET /background-tasks/:session_id/:task_id",
    cancel: "DELETE /background-tasks/:session_id/:task_id"
  },
  elicitations: {
    list: "GET /sessions/:session_id/elicitations",
    answer: "POST /sessions/:session_id/elicitations/:elicitation_id"
  },
  schedules: {
    list: "GET /schedule",
    create: "POST /schedule",
    preview: "GET /schedule/next",
    get: "GET /schedule/:schedule_id",
    update: "PATCH /schedule/:schedule_id",
    remove: "DELETE /schedule/:schedule_id",
    sessions: "GET /schedule/:schedule_id/sessions",
    pause: "POST /schedule/:schedule_id/pause",
    resume: "POST /schedule/:schedule_id/resume",
    trigger: "POST /schedule/:schedule_id/trigger",
    next: "GET /schedule/:schedule_id/next",
    fires: "GET /schedule/:schedule_id/fires"
  },
  notifications: {
    list: "GET /notification",
    create: "POST /notification",
    get: "GET /notification/:notification_id",
    update: "PATCH /notification/:notification_id",
    remove: "DELETE /notification/:notification_id",
    test: "POST /notification/:notification_id/test",
    deliveries: "GET /notification/:notification_id/deliveries",
    resend: "POST /notification/:notification_id/deliveries/:delivery_id/resend"
  },
  usage: {
    sum: "GET /usage"
  },
  admin: {
    tenants: "GET /admin/tenants",
    usage: "GET /admin/usage",
    reload: "POST /admin/reload"
  },
  jobs: {
    list: "GET /jobs",
    get: "GET /jobs/:job_id",
    retry: "POST /jobs/:job_id/retry",
    remove: "DELETE /jobs/:job_id"
  },
  keys: {
    list: "GET /keys",
    create: "POST /keys",
    revoke: "DELETE /keys/:key_id"
  },
  vault: {
    status: "GET /vault",
    rotate: "POST /vault/rotate",
    retire: "POST /vault/retire"
  },
  workspaces: {
    list: "GET /workspaces",
    get: "GET /workspaces/:workspace_key",
    remove: "DELETE /workspaces/:workspace_key",
    status: "GET /workspace/status",
    directories: "GET /workspace/directories",
    read: "GET /workspace/files",
    write: "PUT /workspace/files",
    removeFile: "DELETE /workspace/files",
    token: "POST /workspace/files/download-token"
  },
  mcpServers: {
    inWorkspace: "GET /workspace/mcp",
    add: "POST /workspace/mcp",
    addFromLibrary: "POST /workspace/mcp/from-library",
    remove: "DELETE /workspace/mcp/:mcp_name",
    refresh: "POST /workspace/mcp/:mcp_name/refresh",
    approve: "POST /workspace/mcp/:mcp_name/approve",
    authorize: "POST /workspace/mcp/:mcp_name/authorize",
    library: "GET /mcp",
    addToLibrary: "POST /mcp/servers",
    change: "PATCH /mcp/:mcp_id",
    removeFromLibrary: "DELETE /mcp/:mcp_id",
    test: "POST /mcp/:mcp_id/test",
    authorizeInLibrary: "POST /mcp/:mcp_id/authorize"
  },
  skills: {
    inWorkspace: "GET /workspace/skill",
    add: "POST /workspace/skill",
    upload: "POST /workspace/skill/upload",
    addFromLibrary: "POST /workspace/skill/from-library",
    remove: "DELETE /workspace/skill/:skill_name",
    library: "GET /skill",
    uploadToLibrary: "POST /skill/upload",
    inLibrary: "GET /skill/:skill_id",
    removeFromLibrary: "DELETE /skill/:skill_id"
  },
  hubs: {
    skillCards: "GET /hub/skill/:hub_id/cards",
    skillCard: "GET /hub/skill/:hub_id/cards/:card_id",
    installSkill: "POST /hub/skill/:hub_id/cards/:card_id/install",
    mcpCards: "GET /hub/mcp/:hub_id/cards",
    mcpCard: "GET /hub/mcp/:hub_id/cards/:card_id",
    installMcp: "POST /hub/mcp/:hub_id/cards/:card_id/install"
  },
  hubLists: {
    skillHubs: "GET /hub/skill",
    mcpHubs: "GET /hub/mcp"
  },
  health: {
    health: "GET /health",
    readiness: "GET /readiness",
    liveness: "GET /liveness"
  }
}

interface Asked extends Calling {
  readonly path?: Readonly<Record<string, unknown>>
  readonly urlParams?: Query
  readonly headers?: Readonly<Record<string, string | undefined>>
  readonly payload?: unknown
}

/** Refused where a part of the path is missing: the request would be another one. */
const placed = (template: string, path: Asked["path"] = {}): string =>
  template.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(path[name])))

/** What an answer holds, as its type says. */
const contentOf = async (response: Response): Promise<unknown> => {
  const type = response.headers.get("content-type") ?? ""
  if (/^text\/|ndjson/.test(type)) return response.text()
  if (!type.includes("json")) {
    const bytes = new Uint8Array(await response.arrayBuffer())
    return bytes.length === 0 ? undefined : bytes
  }
  const text = await response.text()
  try {
    return text === "" ? undefined : JSON.parse(text)
  } catch (error) {
    throw unexpected(error)
  }
}

/** The whole native API of a client, each operation a function of `{ path, urlParams, headers, payload, signal }`. */
export const apiOf = ({ open }: Pick<Requests, "open">): Api => {
  const method = (operation: string) => {
    const [verb, template] = operation.split(" ") as [string, string]
    return async ({ headers, path, payload, signal, urlParams }: Asked = {}) =>
      contentOf(await open(verb, placed(template, path), { body: payload, headers, query: urlParams, signal }))
  }
  const groupOf = (group: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(group).map(([name, operation]) => [name, method(operation)]))
  // The table has an entry for each operation of the type.
  return Object.fromEntries(Object.entries(operations).map(([name, group]) => [name, groupOf(group)])) as unknown as Api
}
