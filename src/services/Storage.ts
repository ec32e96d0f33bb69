import { type Clock, Context, type Duration, Effect } from "effect"
import { A2aPush } from "../domain/A2aPush.ts"
import { Agent } from "../domain/Agent.ts"
import { AgentConfig } from "../domain/AgentConfig.ts"
import { ApiKey } from "../domain/ApiKey.ts"
import { BackgroundTask, isUntold } from "../domain/BackgroundTask.ts"
import { Claim } from "../domain/Claim.ts"
import { Credential } from "../domain/Credential.ts"
import { Elicitation } from "../domain/Elicitation.ts"
import type { Conflict, Malformed, NotFound } from "../domain/Errors.ts"
import { Fire } from "../domain/Fire.ts"
import type { Timestamp, UserId } from "../domain/Ids.ts"
import { Job } from "../domain/Job.ts"
import { McpAuthorization } from "../domain/McpAuthorization.ts"
import { McpServer } from "../domain/McpServer.ts"
import { Delivery, Notification } from "../domain/Notification.ts"
import * as Older from "../domain/Older.ts"
import { OwnTask } from "../domain/OwnTask.ts"
import type { Page, PageRequest } from "../domain/Page.ts"
import { Recollection } from "../domain/Recollection.ts"
import { RemoteAgent, RemoteCall } from "../domain/RemoteAgent.ts"
import { Conversation, StoredResponse } from "../domain/Response.ts"
import type { Run } from "../domain/Run.ts"
import { isDefined, type Schedule, StoredSchedule } from "../domain/Schedule.ts"
import { Session } from "../domain/Session.ts"
import { SessionKey } from "../domain/SessionKey.ts"
import { Skill, SkillBundle, SkillPiece } from "../domain/Skill.ts"
import { CompletionMessages, StoredCompletion } from "../domain/StoredCompletion.ts"
import { Thread } from "../domain/Thread.ts"
import { InTransaction, makeCache, makeCollection, transactionOver } from "./Collection.ts"

/** What every stored record has. */
export interface Owned {
  readonly id: string
  readonly user_id: UserId
  readonly created_at: Timestamp
  readonly updated_at: Timestamp
}

export type Order = "oldest" | "newest"

/** Which records of a list, beside what their columns say. */
export interface Narrowed {
  /** Made from this time on, and before this one. */
  readonly from?: Timestamp | undefined
  readonly to?: Timestamp | undefined
  /** Only those with one of these ids. */
  readonly ids?: ReadonlyArray<string> | undefined
}

/** Records of one noun, as their owner sees them. `Columns` are what a list can be narrowed by. */
export interface Collection<A extends Owned, Columns extends string> {
  /** Fails with `NotFound` when absent or owned by somebody else. */
  readonly get: (owner: UserId, id: string) => Effect.Effect<A, NotFound>
  /**
   * In id order, which is age order. A page ends early at `pageBytes`. A record that cannot be read is logged and left
   * out, here and in `holding` and `scan`; `total` counts it.
   */
  readonly list: (
    owner: UserId,
    page: PageRequest,
    where?: { readonly [K in Columns]?: string },
    order?: Order,
    narrowed?: Narrowed
  ) => Effect.Effect<Page<A>, Malformed>
  /**
   * The newest records that hold a text, by `text.isIn`, which is asked of each. No more are looked at for one page than
   * `searchedRows` and `searchedBytes` say, so that a page may hold few, or none, and still have a next one.
   */
  readonly search: (
    owner: UserId,
    page: PageRequest,
    text: { readonly anchor: string; readonly isIn: (record: A) => boolean },
    where?: { readonly [K in Columns]?: string },
    narrowed?: Narrowed
  ) => Effect.Effect<{ readonly items: ReadonlyArray<A>; readonly next_cursor: string | null }, Malformed>
  /** The owner's records whose document holds this piece of JSON, oldest first, at most `limit`. Reads all of the owner's. */
  readonly holding: (owner: UserId, json: string, limit: number) => Effect.Effect<ReadonlyArray<A>>
  /** Fails with `Conflict` when the id is taken and with `NotFound` when a record that it refers to is gone. */
  readonly insert: (record: A) => Effect.Effect<A, Conflict | NotFound>
  /** Replaces a record with `f` of it, atomically. Owner, id and references stay. */
  readonly modify: (owner: UserId, id: string, f: (record: A) => A) => Effect.Effect<A, NotFound>
  /** Removes the record and everything that cannot be without it. */
  readonly remove: (owner: UserId, id: string) => Effect.Effect<void, NotFound>
  /** The same records across owners: for the host's own loops and for admins. */
  readonly host: {
    readonly get: (id: string) => Effect.Effect<A, NotFound>
    readonly list: (
      page: PageRequest,
      where?: { readonly [K in Columns]?: string },
      order?: Order
    ) => Effect.Effect<Page<A>, Malformed>
    /**
     * The records after this id, oldest first, at most `limit`: for going through all of them without counting.
     * `next` is the id to go on after; undefined at the end.
     */
    readonly scan: (
      after: string | undefined,
      limit: number
    ) => Effect.Effect<{ readonly items: ReadonlyArray<A>; readonly next: string | undefined }>
    readonly modify: (id: string, f: (record: A) => A) => Effect.Effect<A, NotFound>
    /** Who has any, after this owner, in their order, at most `limit`. Its cost does not grow with what each has. */
    readonly owners: (after: string | undefined, limit: number) => Effect.Effect<ReadonlyArray<UserId>>
  }
}

/** Every noun that the host remembers, and what it refers to. */
export class Storage extends Context.Tag("stoa/services/Storage")<Storage, {
  readonly agents: Collection<Agent, never>
  /** What users have told personal agents. A configuration has the id of its agent, and goes with it. */
  readonly agentConfigs: Collection<AgentConfig, "agent_id">
  /** Written by `Recall`. They go with their agent. */
  readonly recollections: Collection<Recollection, "agent_id">
  readonly credentials: Collection<Credential, "type">
  readonly sessions: Collection<Session, "agent_id" | "schedule_id">
  /** Written by `SessionKeys`; `kind` is `key`, or `once` for sessions of a single request. A key is never read from a cache. */
  readonly sessionKeys: Collection<SessionKey, "session_id" | "kind">
  readonly a2aPushes: Collection<A2aPush, "session_id" | "run_id">
  /** Agents elsewhere that are called from here. */
  readonly remoteAgents: Collection<RemoteAgent, "name">
  /** Messages to them. `task_id` is empty until it is known. */
  readonly remoteCalls: Collection<RemoteCall, "session_id" | "run_id" | "agent_id" | "task_id">
  readonly completions: Collection<StoredCompletion, "model">
  /** They go with their answer, whose id they have. */
  readonly completionMessages: Collection<CompletionMessages, "completion_id">
  readonly threads: Collection<Thread, "kind">
  readonly responses: Collection<StoredResponse, "session_id" | "run_id">
  /** `session_id` is empty before the first answer. */
  readonly conversations: Collection<Conversation, "session_id">
  /** Written by `EventLog.append`, with the events that they tell of. */
  readonly runs: Collection<Run, "session_id" | "status" | "agent_id" | "source" | "source_id">
  readonly keys: Collection<ApiKey, never>
  /** `workspace` is a `WorkspaceKey`, or empty for the library; `shared` is `yes` or empty. */
  readonly mcpServers: Collection<McpServer, "workspace" | "name" | "shared">
  /** It goes with its server. `state` is the keyed hash of an attempt, or empty. */
  readonly mcpAuthorizations: Collection<McpAuthorization, "server_id" | "state">
  /** `workspace` is a `WorkspaceKey`, or empty for the library; `shared` is `yes` or empty. It goes with its bundle. */
  readonly skills: Collection<Skill, "workspace" | "shared" | "bundle">
  /** `state` is `whole`, or `open` while pieces are being written. */
  readonly skillBundles: Collection<SkillBundle, "state">
  readonly skillPieces: Collection<SkillPiece, "bundle">
  /** Where they are, and what is due, is in `ScheduleStore`. */
  readonly schedules: Collection<Schedule, "agent_id" | "defined">
  /** Written through `ScheduleStore`. */
  readonly fires: Collection<Fire, "schedule_id" | "status">
  /** Written through `JobStore`. */
  readonly jobs: Collection<Job, "kind" | "status">
  readonly notifications: Collection<Notification, never>
  readonly deliveries: Collection<Delivery, "notification_id" | "status">
  /** Begun and told by `EventLog.append`, ended through `TaskStore`. `untold` is `yes` or `no`. */
  readonly backgroundTasks: Collection<BackgroundTask, "session_id" | "status" | "untold">
  /** Tasks of the kinds that the server's own program brings. */
  readonly ownTasks: Collection<OwnTask, "name" | "status">
  /** `status` is `open` while a call waits for the answer. */
  readonly elicitations: Collection<Elicitation, "session_id" | "status">
  /** Removes at most `limit` elicitations that are older, and answers how many it removed. */
  readonly forgetElicitations: (before: Timestamp, limit: number) => Effect.Effect<number>
  /** Written with what they claim: in a transaction, or by `EventLog.append`. */
  readonly claims: Collection<Claim, never>
  /** Removes at most `limit` claims that are older, and answers how many it removed. */
  readonly forgetClaims: (before: Timestamp, limit: number) => Effect.Effect<number>
  /** The same for deliveries. */
  readonly forgetDeliveries: (before: Timestamp, limit: number) => Effect.Effect<number>
  /** The same for tasks of the program's own kinds. */
  readonly forgetOwnTasks: (before: Timestamp, limit: number) => Effect.Effect<number>
  /** Runs `effect` in a transaction: all its writes happen, or none. Transactions can be nested. */
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>() {}

/** What a list of runs can be narrowed by; `source_id` is null or empty when a user sent the input. */
export const columnsOfRun = ({ agent_id, session_id, source, source_id, status }: Run) => ({
  session_id,
  status,
  agent_id,
  source,
  source_id: source_id ?? ""
})

export const columnsOfTask = (task: BackgroundTask) => ({
  session_id: task.session_id,
  run_id: task.run_id,
  status: task.status,
  process: task.process,
  untold: isUntold(task) ? "yes" : "no"
})

/** A table as a driver sees it. */
export interface Table {
  readonly name: string
  /** Columns copied out of the record for look-ups and references. */
  readonly columns: ReadonlyArray<string>
  /** `column` holds the id of a row in `table`; when that goes, so does this row. */
  readonly references: ReadonlyArray<{ readonly column: string; readonly table: string }>
}

export const tables = {
  agents: { name: "agents", columns: [], references: [] },
  agent_configs: {
    name: "agent_configs",
    columns: ["agent_id"],
    references: [{ column: "agent_id", table: "agents" }]
  },
  recollections: {
    name: "recollections",
    columns: ["agent_id"],
    references: [{ column: "agent_id", table: "agents" }]
  },
  credentials: { name: "credentials", columns: ["type"], references: [] },
  sessions: {
    name: "sessions",
    columns: ["agent_id", "schedule_id"],
    references: [{ column: "agent_id", table: "agents" }]
  },
  runs: {
    name: "runs",
    columns: ["session_id", "status", "agent_id", "source", "source_id"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  session_keys: {
    name: "session_keys",
    columns: ["session_id", "kind"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  a2a_pushes: {
    name: "a2a_pushes",
    columns: ["session_id", "run_id"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  remote_agents: { name: "remote_agents", columns: ["name"], references: [] },
  remote_calls: {
    name: "remote_calls",
    columns: ["session_id", "run_id", "agent_id", "task_id"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  stored_completions: { name: "stored_completions", columns: ["model"], references: [] },
  completion_messages: {
    name: "completion_messages",
    columns: ["completion_id"],
    references: [{ column: "completion_id", table: "stored_completions" }]
  },
  threads: { name: "threads", columns: ["kind"], references: [] },
  responses: {
    name: "responses",
    columns: ["session_id", "run_id"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  conversations: { name: "conversations", columns: ["session_id"], references: [] },
  keys: { name: "keys", columns: [], references: [] },
  mcp_servers: { name: "mcp_servers", columns: ["workspace", "name", "shared"], references: [] },
  mcp_authorizations: {
    name: "mcp_authorizations",
    columns: ["server_id", "state"],
    references: [{ column: "server_id", table: "mcp_servers" }]
  },
  skill_bundles: { name: "skill_bundles", columns: ["state"], references: [] },
  skills: {
    name: "skills",
    columns: ["workspace", "shared", "bundle"],
    references: [{ column: "bundle", table: "skill_bundles" }]
  },
  skill_pieces: {
    name: "skill_pieces",
    columns: ["bundle"],
    references: [{ column: "bundle", table: "skill_bundles" }]
  },
  claims: { name: "claims", columns: [], references: [] },
  schedules: {
    name: "schedules",
    columns: ["agent_id", "defined"],
    references: [{ column: "agent_id", table: "agents" }]
  },
  /** Rows of the Memory layer of `ScheduleStore`; the Sql layer has columns of its own. */
  schedule_states: {
    name: "schedule_states",
    columns: ["schedule_id"],
    references: [{ column: "schedule_id", table: "schedules" }]
  },
  fires: {
    name: "fires",
    columns: ["schedule_id", "status"],
    references: [{ column: "schedule_id", table: "schedules" }]
  },
  jobs: { name: "jobs", columns: ["kind", "status"], references: [] },
  notifications: { name: "notifications", columns: [], references: [] },
  deliveries: {
    name: "deliveries",
    columns: ["notification_id", "status"],
    references: [{ column: "notification_id", table: "notifications" }]
  },
  background_tasks: {
    name: "background_tasks",
    columns: ["session_id", "run_id", "status", "process", "untold"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  own_tasks: { name: "own_tasks", columns: ["name", "status"], references: [] },
  elicitations: {
    name: "elicitations",
    columns: ["session_id", "status"],
    references: [{ column: "session_id", table: "sessions" }]
  },
  /** Written by `EventLog.append`, summed by `Ledger`; refers to nothing, so that it stays. */
  usage: { name: "usage", columns: [], references: [] }
} as const satisfies Record<string, Table>

export interface Row {
  readonly id: string
  readonly owner: string
  readonly created_at: string
  readonly updated_at: string
  readonly columns: Readonly<Record<string, string>>
  /** The encoded record. */
  readonly data: object
}

export interface RowFilter extends Narrowed {
  readonly owner?: string
  /** A piece of JSON that the document holds. */
  readonly holds?: string
  readonly where: Readonly<Record<string, string>>
}

/** Rows that a search has looked at. */
export interface Looked {
  /** Those that may hold the text. */
  readonly rows: ReadonlyArray<Row>
  /** The last row that was looked at; undefined when there was none. */
  readonly last: string | undefined
  /** How many bytes of documents were looked at, and whether there are more rows. */
  readonly bytes: number
  readonly count: number
  readonly more: boolean
}

/** What a backend provides. Lost connections and broken rows are defects. */
export interface Driver {
  readonly find: (table: Table, id: string) => Effect.Effect<Row | undefined>
  /** Rows beyond the id `after` in the given order, at most `limit`. */
  readonly list: (
    table: Table,
    filter: RowFilter,
    page: { readonly after: string | undefined; readonly limit: number; readonly order: Order }
  ) => Effect.Effect<ReadonlyArray<Row>>
  /**
   * The same, but no more than `bytes` of documents, unless the first is larger
   * by itself; `more` says whether rows come after these.
   */
  readonly page: (
    table: Table,
    filter: RowFilter,
    page: {
      readonly after: string | undefined
      readonly limit: number
      readonly order: Order
      readonly bytes: number
    }
  ) => Effect.Effect<{ readonly rows: ReadonlyArray<Row>; readonly more: boolean }>
  /**
   * Looks at rows after the id `after`, newest first, at most `limit` and no more than `bytes` of documents, unless the
   * first is larger by itself. It may leave out those whose document does not hold `anchor`, which `anchorOf` of `Find.ts` made.
   */
  readonly look: (
    table: Table,
    filter: RowFilter,
    page: {
      readonly after: string | undefined
      readonly limit: number
      readonly bytes: number
      readonly anchor: string
    }
  ) => Effect.Effect<Looked>
  readonly count: (table: Table, filter: RowFilter) => Effect.Effect<number>
  readonly insert: (table: Table, row: Row) => Effect.Effect<"inserted" | "taken" | "orphan">
  /** Reads, changes and writes one row with nothing in between; undefined when there is none. */
  readonly modify: (
    table: Table,
    id: string,
    f: (row: Row) => Effect.Effect<Row | undefined>
  ) => Effect.Effect<Row | undefined>
  /** Whether there was such a row. */
  readonly remove: (table: Table, owner: string, id: string) => Effect.Effect<boolean>
  /** Removes at most `limit` rows that were made before, the oldest first, and answers how many. */
  readonly removeBefore: (table: Table, created_at: string, limit: number) => Effect.Effect<number>
  /** Owners of rows, after this one, in their order. */
  readonly owners: (table: Table, after: string, limit: number) => Effect.Effect<ReadonlyArray<string>>
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/**
 * Lifts a row driver into `Storage`. Decoded records may be served for `ttl`
 * without asking the driver: for ever where this process is the only writer,
 * about a second where others write too.
 */
export const fromDriver = (driver: Driver, ttl: Duration.Duration): Effect.Effect<Context.Tag.Service<Storage>> =>
  Effect.map(Effect.clock, (clock: Clock.Clock) => {
    const cache = makeCache(clock, ttl)
    return Storage.of({
      agents: makeCollection(driver, cache, {
        noun: "Agent",
        table: tables.agents,
        schema: Agent,
        columns: () => ({})
      }),
      agentConfigs: makeCollection(driver, undefined, {
        noun: "Configuration",
        table: tables.agent_configs,
        schema: AgentConfig,
        columns: ({ id }) => ({ agent_id: id })
      }),
      recollections: makeCollection(driver, undefined, {
        noun: "Recollection",
        table: tables.recollections,
        schema: Recollection,
        columns: ({ agent_id }) => ({ agent_id })
      }),
      credentials: makeCollection(driver, cache, {
        noun: "Credential",
        table: tables.credentials,
        schema: Credential,
        columns: ({ type }) => ({ type })
      }),
      sessions: makeCollection(driver, cache, {
        noun: "Session",
        table: tables.sessions,
        schema: Session,
        columns: ({ agent_id, source_schedule_id }) => ({ agent_id, schedule_id: source_schedule_id ?? "" })
      }),
      sessionKeys: makeCollection(driver, undefined, {
        noun: "Session key",
        table: tables.session_keys,
        schema: SessionKey,
        columns: ({ key, session_id }) => ({ session_id, kind: key === null ? "once" : "key" })
      }),
      a2aPushes: makeCollection(driver, undefined, {
        noun: "Push notification config",
        table: tables.a2a_pushes,
        schema: A2aPush,
        columns: ({ run_id, session_id }) => ({ session_id, run_id })
      }),
      remoteAgents: makeCollection(driver, undefined, {
        noun: "Registered agent",
        table: tables.remote_agents,
        schema: RemoteAgent,
        columns: ({ name }) => ({ name })
      }),
      remoteCalls: makeCollection(driver, undefined, {
        noun: "Call of an agent",
        table: tables.remote_calls,
        schema: RemoteCall,
        columns: ({ agent_id, run_id, session_id, task_id }) => ({
          session_id,
          run_id,
          agent_id,
          task_id: task_id ?? ""
        })
      }),
      completions: makeCollection(driver, undefined, {
        noun: "Stored completion",
        table: tables.stored_completions,
        schema: StoredCompletion,
        columns: ({ model }) => ({ model })
      }),
      completionMessages: makeCollection(driver, undefined, {
        noun: "Messages of a stored completion",
        table: tables.completion_messages,
        schema: CompletionMessages,
        columns: ({ id }) => ({ completion_id: id })
      }),
      threads: makeCollection(driver, undefined, {
        noun: "Thread",
        table: tables.threads,
        schema: Thread,
        columns: ({ kind }) => ({ kind })
      }),
      responses: makeCollection(driver, undefined, {
        noun: "Response",
        table: tables.responses,
        schema: StoredResponse,
        columns: ({ run_id, session_id }) => ({ session_id, run_id })
      }),
      conversations: makeCollection(driver, undefined, {
        noun: "Conversation",
        table: tables.conversations,
        schema: Conversation,
        columns: ({ session_id }) => ({ session_id })
      }),
      runs: makeCollection(driver, undefined, {
        noun: "Run",
        table: tables.runs,
        schema: Older.StoredRun,
        columns: columnsOfRun
      }),
      keys: makeCollection(driver, cache, { noun: "Key", table: tables.keys, schema: ApiKey, columns: () => ({}) }),
      mcpServers: makeCollection(driver, cache, {
        noun: "MCP server",
        table: tables.mcp_servers,
        schema: McpServer,
        columns: ({ name, shared, workspace }) => ({ name, workspace, shared: shared ? "yes" : "" })
      }),
      // Another process may have renewed the tokens just now.
      mcpAuthorizations: makeCollection(driver, undefined, {
        noun: "MCP authorization",
        table: tables.mcp_authorizations,
        schema: McpAuthorization,
        columns: ({ server_id, state }) => ({ server_id, state })
      }),
      skills: makeCollection(driver, undefined, {
        noun: "Skill",
        table: tables.skills,
        schema: Skill,
        columns: ({ bundle, shared, workspace }) => ({ workspace, bundle, shared: shared ? "yes" : "" })
      }),
      skillBundles: makeCollection(driver, undefined, {
        noun: "Bundle",
        table: tables.skill_bundles,
        schema: SkillBundle,
        columns: ({ is_whole }) => ({ state: is_whole ? "whole" : "open" })
      }),
      skillPieces: makeCollection(driver, undefined, {
        noun: "Piece",
        table: tables.skill_pieces,
        schema: SkillPiece,
        columns: ({ bundle }) => ({ bundle })
      }),
      claims: makeCollection(driver, undefined, {
        noun: "Claim",
        table: tables.claims,
        schema: Claim,
        columns: () => ({})
      }),
      schedules: makeCollection(driver, cache, {
        noun: "Schedule",
        table: tables.schedules,
        schema: StoredSchedule,
        columns: (schedule) => ({ agent_id: schedule.agent_id, defined: isDefined(schedule) ? "yes" : "no" })
      }),
      fires: makeCollection(driver, undefined, {
        noun: "Fire",
        table: tables.fires,
        schema: Fire,
        columns: ({ schedule_id, status }) => ({ schedule_id, status })
      }),
      jobs: makeCollection(driver, undefined, {
        noun: "Job",
        table: tables.jobs,
        schema: Job,
        columns: ({ kind, status }) => ({ kind, status })
      }),
      notifications: makeCollection(driver, undefined, {
        noun: "Notification",
        table: tables.notifications,
        schema: Notification,
        columns: () => ({})
      }),
      deliveries: makeCollection(driver, undefined, {
        noun: "Delivery",
        table: tables.deliveries,
        schema: Delivery,
        columns: ({ notification_id, status }) => ({ notification_id, status })
      }),
      backgroundTasks: makeCollection(driver, undefined, {
        noun: "Background task",
        table: tables.background_tasks,
        schema: BackgroundTask,
        columns: columnsOfTask
      }),
      ownTasks: makeCollection(driver, undefined, {
        noun: "Task",
        table: tables.own_tasks,
        schema: OwnTask,
        columns: ({ name, status }) => ({ name, status })
      }),
      elicitations: makeCollection(driver, undefined, {
        noun: "Elicitation",
        table: tables.elicitations,
        schema: Elicitation,
        columns: ({ question, status }) => ({ session_id: question.session_id, status })
      }),
      forgetElicitations: (before, limit) => driver.removeBefore(tables.elicitations, before, limit),
      forgetClaims: (before, limit) => driver.removeBefore(tables.claims, before, limit),
      forgetDeliveries: (before, limit) => driver.removeBefore(tables.deliveries, before, limit),
      forgetOwnTasks: (before, limit) => driver.removeBefore(tables.own_tasks, before, limit),
      transaction: (effect) =>
        Effect.flatMap(InTransaction, (outer) => {
          // An inner transaction ends with the outer one.
          if (outer !== undefined) return driver.transaction(effect)
          const own = transactionOver(cache)
          return Effect.ensuring(
            driver.transaction(Effect.provideService(effect, InTransaction, own)),
            Effect.sync(own.end)
          )
        })
    })
  })
