/** The whole host behind the channels. This is the only file that chooses an implementation for each service. */
import { Duration, Effect, Layer, Redacted, type Scope } from "effect"
import { join } from "node:path"
import type { Webhook } from "../domain/Hook.ts"
import type { Receivers } from "../domain/Receivers.ts"
import { defaults, isLoopback, type Settings, trustsUserHeader, workspaceLimits } from "../domain/Settings.ts"
import type { A2aPushes } from "../services/A2aPushes.ts"
import type { AgentConfigs } from "../services/AgentConfigs.ts"
import type { AgentRunner } from "../services/AgentRunner.ts"
import type { ApiKeys } from "../services/ApiKeys.ts"
import type { Auth } from "../services/Auth.ts"
import type { BackgroundTasks } from "../services/BackgroundTasks.ts"
import type { Catalog } from "../services/Catalog.ts"
import type { Delegation } from "../services/Delegation.ts"
import type { DirectCalls } from "../services/DirectCalls.ts"
import type { Elicitations } from "../services/Elicitations.ts"
import type { EventLog } from "../services/EventLog.ts"
import type { Files } from "../services/Files.ts"
import type { Hook, Hooks } from "../services/Hooks.ts"
import type { Hubs } from "../services/Hubs.ts"
import type { Idempotency } from "../services/Idempotency.ts"
import type { Jobs } from "../services/Jobs.ts"
import type { JobStore } from "../services/JobStore.ts"
import type { KeyCheck } from "../services/KeyCheck.ts"
import type { Ledger } from "../services/Ledger.ts"
import type { Mailer } from "../services/Mailer.ts"
import type { Mcp } from "../services/Mcp.ts"
import type { Models } from "../services/Models.ts"
import type { Notifier } from "../services/Notifier.ts"
import { Outbound } from "../services/Outbound.ts"
import type { OwnAgent, OwnAgents } from "../services/OwnAgents.ts"
import type { OwnTaskKind, OwnTasks } from "../services/OwnTasks.ts"
import type { Peers } from "../services/Peers.ts"
import type { Recall } from "../services/Recall.ts"
import type { RemoteAgents } from "../services/RemoteAgents.ts"
import type { Retriever } from "../services/Retrievers.ts"
import type { Rooms } from "../services/Rooms.ts"
import type { Rotation } from "../services/Rotation.ts"
import type { RunHistory } from "../services/RunHistory.ts"
import type { RunOwner } from "../services/RunOwner.ts"
import type { Scheduler } from "../services/Scheduler.ts"
import type { Schedules } from "../services/Schedules.ts"
import type { ScheduleStore } from "../services/ScheduleStore.ts"
import type { SessionArchive } from "../services/SessionArchive.ts"
import type { SessionHub } from "../services/SessionHub.ts"
import type { SessionKeys } from "../services/SessionKeys.ts"
import type { Skills } from "../services/Skills.ts"
import type { Storage } from "../services/Storage.ts"
import type { TaskStore } from "../services/TaskStore.ts"
import type { Tenants } from "../services/Tenants.ts"
import type { Toolbox } from "../services/Toolbox.ts"
import type { Vault } from "../services/Vault.ts"
import { Waker } from "../services/Waker.ts"
import type { Workspace } from "../services/Workspace.ts"
import * as AgentConfigsStored from "./AgentConfigs/Stored.ts"
import * as AgentRunnerChosen from "./AgentRunner/Chosen.ts"
import * as ApiKeysStored from "./ApiKeys/Stored.ts"
import * as AuthComposite from "./Auth/Composite.ts"
import * as BackgroundTasksLocal from "./BackgroundTasks/Local.ts"
import * as BackgroundTasksMemory from "./BackgroundTasks/Memory.ts"
import * as BackgroundTasksSql from "./BackgroundTasks/Sql.ts"
import * as BackgroundTasksWaking from "./BackgroundTasks/Waking.ts"
import * as CatalogFiles from "./Catalog/Files.ts"
import type { Folder } from "./Catalog/Folder.ts"
import * as CatalogMemory from "./Catalog/Memory.ts"
import type { Schemas } from "./Catalog/Schemas.ts"
import * as CatalogStored from "./Catalog/Stored.ts"
import * as DelegationStopping from "./Delegation/Stopping.ts"
import * as DelegationStored from "./Delegation/Stored.ts"
import * as DirectCallsLedgered from "./DirectCalls/Ledgered.ts"
import * as ElicitationsStored from "./Elicitations/Stored.ts"
import * as EventLogMemory from "./EventLog/Memory.ts"
import * as EventLogSql from "./EventLog/Sql.ts"
import * as FilesMemory from "./Files/Memory.ts"
import * as FilesSql from "./Files/Sql.ts"
import * as GivenUp from "./GivenUp.ts"
import * as HooksChained from "./Hooks/Chained.ts"
import * as HooksTold from "./Hooks/Noticed.ts"
import * as HubsConfigured from "./Hubs/Configured.ts"
import * as IdempotencyStored from "./Idempotency/Stored.ts"
import * as JobsMemory from "./Jobs/Memory.ts"
import * as JobsSql from "./Jobs/Sql.ts"
import * as JobsWorking from "./Jobs/Working.ts"
import * as LedgerMemory from "./Ledger/Memory.ts"
import * as LedgerSql from "./Ledger/Sql.ts"
import * as MailerOff from "./Mailer/Off.ts"
import * as MailerSmtp from "./Mailer/Smtp.ts"
import * as McpStored from "./Mcp/Stored.ts"
import * as Tables from "./Memory/Tables.ts"
import { Silence } from "./Models/Bounds.ts"
import type { Provider } from "./Models/Provider.ts"
import * as ModelsRouter from "./Models/Router.ts"
import * as Delivering from "./Notifier/Delivering.ts"
import * as NotifierLocal from "./Notifier/Local.ts"
import * as Noticed from "./Notifier/Noticed.ts"
import * as Noticing from "./Notifier/Noticing.ts"
import * as Pushes from "./Notifier/Pushes.ts"
import * as Pushing from "./Notifier/Pushing.ts"
import * as Wanting from "./Notifier/Wanting.ts"
import * as OutboundGuarded from "./Outbound/Guarded.ts"
import * as OwnAgentsStored from "./OwnAgents/Stored.ts"
import * as OwnTasksWorking from "./OwnTasks/Working.ts"
import * as PeersMemory from "./Peers/Memory.ts"
import * as PeersPg from "./Peers/Pg.ts"
import * as Extracted from "./Recall/Extracted.ts"
import * as Extracting from "./Recall/Extracting.ts"
import * as RecallStored from "./Recall/Stored.ts"
import * as RemoteCancelling from "./RemoteAgents/Cancelling.ts"
import * as RemoteAgentsStored from "./RemoteAgents/Stored.ts"
import * as RetrieversAsked from "./Retrievers/Asked.ts"
import * as RoomsLocal from "./Rooms/Local.ts"
import * as RotationStored from "./Rotation/Stored.ts"
import * as RunHistoryStored from "./RunHistory/Stored.ts"
import * as RunOwnerLocal from "./RunOwner/Local.ts"
import * as Retried from "./RunRetries/Retried.ts"
import * as Retrying from "./RunRetries/Retrying.ts"
import * as SchedulerClaimed from "./Scheduler/Claimed.ts"
import * as SchedulerMemory from "./Scheduler/Memory.ts"
import * as SchedulerSql from "./Scheduler/Sql.ts"
import * as SchedulesStored from "./Scheduler/Stored.ts"
import * as SessionArchiveStored from "./SessionArchive/Stored.ts"
import * as SessionHubLocal from "./SessionHub/Local.ts"
import * as SessionKeysStored from "./SessionKeys/Stored.ts"
import * as Titled from "./SessionTitles/Titled.ts"
import * as Titling from "./SessionTitles/Titling.ts"
import * as SkillsStored from "./Skills/Stored.ts"
import * as Migrations from "./Sql/Migrations.ts"
import * as migrations from "./Sql/migrations/All.ts"
import * as Pg from "./Sql/pg/Pg.ts"
import * as Pglite from "./Sql/pglite/Pglite.ts"
import * as Watchdog from "./Sql/pglite/Watchdog.ts"
import * as StorageMemory from "./Storage/Memory.ts"
import * as StorageSql from "./Storage/Sql.ts"
import * as TenantsMemory from "./Tenants/Memory.ts"
import * as TenantsSql from "./Tenants/Sql.ts"
import * as ToolboxBuiltIn from "./Toolbox/BuiltIn.ts"
import type { ToolSource } from "./Toolbox/BuiltInTool.ts"
import * as RequestedTools from "./Toolbox/tools/All.ts"
import * as ToolboxWithCatalog from "./Toolbox/WithCatalog.ts"
import * as ToolboxWithDelegation from "./Toolbox/WithDelegation.ts"
import * as ToolboxWithMcp from "./Toolbox/WithMcp.ts"
import * as ToolboxWithMemory from "./Toolbox/WithMemory.ts"
import * as ToolboxWithRemoteAgents from "./Toolbox/WithRemoteAgents.ts"
import * as ToolboxWithSkills from "./Toolbox/WithSkills.ts"
import * as Upkeep from "./Upkeep.ts"
import * as VaultAesGcm from "./Vault/AesGcm.ts"
import * as VaultChecked from "./Vault/Checked.ts"
import * as VaultSqlCheck from "./Vault/SqlCheck.ts"
import * as WorkspaceBubblewrap from "./Workspace/Bubblewrap.ts"
import * as WorkspaceDocker from "./Workspace/Docker.ts"
import * as WorkspaceE2b from "./Workspace/E2b.ts"
import * as WorkspaceLocal from "./Workspace/Local.ts"
import * as WorkspaceMemory from "./Workspace/Memory.ts"
import * as WorkspaceOnlyFiles from "./Workspace/OnlyFiles.ts"

/** The layers that store data, and the other processes that share it. */
export type Memories = Storage | EventLog | Files | Ledger | ScheduleStore | JobStore | TaskStore | Tenants | Peers

export type Host =
  | Memories
  | Vault
  | ApiKeys
  | Auth
  | Models
  | Toolbox
  | Elicitations
  | Mcp
  | RemoteAgents
  | Hooks
  | Skills
  | Hubs
  | Workspace
  | AgentConfigs
  | AgentRunner
  | Catalog
  | Delegation
  | OwnAgents
  | OwnTasks
  | Rooms
  | RunOwner
  | BackgroundTasks
  | Waker
  | SessionHub
  | RunHistory
  | SessionArchive
  | Schedules
  | SessionKeys
  | DirectCalls
  | Scheduler
  | Jobs
  | Notifier
  | A2aPushes
  | Idempotency
  | Recall
  | Rotation

export const memory: Layer.Layer<Memories> = Layer.mergeAll(
  StorageMemory.layer,
  EventLogMemory.layer,
  FilesMemory.layer,
  LedgerMemory.layer,
  SchedulerMemory.layer,
  JobsMemory.layer,
  BackgroundTasksMemory.layer,
  TenantsMemory.layer,
  PeersMemory.layer
).pipe(
  Layer.provide(Tables.layer)
)

const migrating = Layer.effectDiscard(Migrations.migrate(migrations.all))

const sql = (options: StorageSql.Options) =>
  Layer.mergeAll(
    StorageSql.layer(options),
    EventLogSql.layer,
    FilesSql.layer,
    LedgerSql.layer,
    SchedulerSql.layer,
    JobsSql.layer,
    BackgroundTasksSql.layer,
    TenantsSql.layer,
    VaultSqlCheck.layer
  )

/** The embedded database: this process is its only user, so what is read once stays true. */
export const pglite = (options: Pglite.Options) =>
  Layer.merge(sql({ shared: false }), PeersMemory.layer).pipe(
    Layer.provide(migrating),
    Layer.provide(Pglite.layer(options))
  )

/** A PostgreSQL server, which other processes may use too. Migrations have time, and connections of their own. */
export const postgres = (options: Pg.Options) =>
  Layer.merge(sql({ shared: true }), PeersPg.layer).pipe(
    Layer.provide(Pg.layer(options)),
    Layer.provide(Layer.effectDiscard(Effect.scoped(Effect.provide(
      Migrations.migrate(migrations.all),
      Pg.layer({ ...options, maxConnections: 2, isPatient: true })
    ))))
  )

/** Why storage could not be opened. */
type StorageRefused = Layer.Layer.Error<ReturnType<typeof pglite>> | Layer.Layer.Error<ReturnType<typeof postgres>>

/** Workspaces of hosts that keep nothing. */
export const workspaceInMemory = WorkspaceMemory.layer({
  isolation: "agent",
  limits: workspaceLimits(defaults),
  idle: Duration.seconds(defaults.workspace_idle_seconds)
})

const dockerOf = (settings: Settings) => ({
  address: settings.docker_host,
  engineDir: settings.docker_dir,
  image: settings.docker_image,
  network: settings.docker_network
})

/** The workspaces that the settings ask for; where the sandbox does not work, they have files only. */
const workspaces = (settings: Settings): Layer.Layer<Workspace> => {
  const options = {
    dir: settings.workspace_dir ?? join(settings.data_dir, "workspaces"),
    isolation: settings.workspace_isolation,
    limits: workspaceLimits(settings),
    idle: Duration.seconds(settings.workspace_idle_seconds)
  }
  switch (settings.workspace) {
    case "local":
      return WorkspaceLocal.layer(options)
    case "docker":
      return Layer.catchAll(
        WorkspaceDocker.layer({ ...options, ...dockerOf(settings) }),
        ({ message }) => WorkspaceOnlyFiles.layer({ ...options, why: message })
      )
    case "e2b": {
      const service = WorkspaceE2b.serviceOf(settings)
      return service === undefined
        ? WorkspaceOnlyFiles.layer({ ...options, why: WorkspaceE2b.noKey })
        : Layer.provide(
          WorkspaceE2b.layer({ ...options, ...service }),
          OutboundGuarded.layer(WorkspaceE2b.reach(settings, service))
        )
    }
    case "files":
      return WorkspaceOnlyFiles.layer({ ...options, why: "STOA_WORKSPACE is files" })
    default:
      return Layer.catchAll(
        WorkspaceBubblewrap.layer(options),
        ({ message }) => WorkspaceOnlyFiles.layer({ ...options, why: message })
      )
  }
}

/** The server for mails that the settings name. */
const mailer = ({ mail_from, smtp_url }: Settings): Layer.Layer<Mailer> =>
  smtp_url === undefined ? MailerOff.layer : MailerSmtp.layer({ url: smtp_url, from: mail_from })

export interface EngineOptions extends
  Partial<
    & AgentRunnerChosen.Limits
    & Extracted.Options
    & SchedulesStored.Options
    & SessionHubLocal.Options
    & SessionKeysStored.Options
    & Titling.Options
    & Upkeep.Limits
  >
{
  /** Whether `X-User-ID` is trusted. */
  readonly trusted: boolean
  /** Tools beside the built-in ones. */
  readonly tools?: Extensions["tools"]
  readonly agents?: Extensions["agents"]
  readonly tasks?: Extensions["tasks"]
  /** What the operator has defined; nothing without it. */
  readonly catalog?: Layer.Layer<Catalog>
  readonly hooks?: ReadonlyArray<Hook> | undefined
  readonly retrievers?: ReadonlyArray<Retriever> | undefined
  readonly webhooks?: ReadonlyArray<Webhook> | undefined
  /** In memory without it. */
  readonly workspace?: Layer.Layer<Workspace>
  /** How tools reach the web; without it they do not. */
  readonly outbound?: Layer.Layer<Outbound>
  /** Folders and addresses of hubs. */
  readonly hubs?: ReadonlyArray<string>
  /** Receivers that the notifications of definitions name. */
  readonly receivers?: Receivers
  /** How e-mails are sent; without it they are not. */
  readonly mailer?: Layer.Layer<Mailer>
}

/** No tool reaches anything. */
const unreachable = Layer.succeed(Outbound, {
  fetch: () => Promise.reject(new TypeError("fetch failed")),
  forbids: () => true
})

/** The log with jobs for what it tells: messages, inputs that are to be sent again, and runs that are to be stopped. */
const noticed = (options: Extracted.Options) =>
  GivenUp.layer.pipe(
    Layer.provideMerge(Retried.layer),
    Layer.provideMerge(Extracted.layerWith(options)),
    Layer.provideMerge(Noticed.layer)
  )

/** What is done later, and who is told. It sees the log and the schedules as they are, and the engine sees them with its notices. */
const notifying = ({ mailer = MailerOff.layer, outbound = unreachable, ...options }: EngineOptions) =>
  Layer.merge(
    Layer.merge(NotifierLocal.layer, Pushes.layer),
    options.session_titles === true ? Layer.provideMerge(Titled.layer, noticed(options)) : noticed(options)
  ).pipe(
    Layer.provideMerge(
      Layer.unwrapEffect(
        Effect.map(
          Effect.all([
            Noticing.make(options.receivers ?? []),
            Delivering.make,
            Pushing.updates,
            Pushing.pushing,
            RemoteCancelling.handler,
            Titling.make({ ...defaults, ...options }),
            Extracting.make
          ]),
          JobsWorking.layer
        )
      )
    ),
    Layer.provide(Wanting.layer),
    Layer.provideMerge(Layer.provideMerge(RecallStored.layer, DirectCallsLedgered.layer)),
    Layer.provide(Layer.merge(outbound, mailer))
  )

/** Runs for what tasks have brought, and again for inputs whose runs have failed; and an end to what such runs have handed over. */
const waking = Layer.effect(
  Waker,
  Effect.all([BackgroundTasksWaking.handler, DelegationStopping.handler, Retrying.handler]).pipe(
    Effect.flatMap(JobsWorking.make),
    Effect.flatMap(BackgroundTasksWaking.make)
  )
)

/** The engine over any storage, vault and models. */
export const engine = <E, R>(parts: Layer.Layer<Memories | Vault | Models, E, R>, options: EngineOptions) =>
  Layer.merge(
    Layer.provideMerge(
      Layer.mergeAll(
        SchedulerClaimed.layerWith({ ...defaults, ...options }),
        RunHistoryStored.layer,
        SessionArchiveStored.layer,
        waking,
        DelegationStored.bound,
        OwnTasksWorking.layerWith(options.tasks ?? [], JobsWorking.make),
        SessionKeysStored.layerWith({ ...defaults, ...options })
      ),
      SessionHubLocal.layerWith({ ...defaults, ...options })
    ),
    Upkeep.layer({ ...defaults, ...options })
  ).pipe(
    Layer.provideMerge(RunOwnerLocal.layer),
    Layer.provideMerge(
      Layer.provide(
        AgentRunnerChosen.layer({ ...defaults, ...options }),
        RetrieversAsked.layerWith(options.retrievers ?? [])
      )
    ),
    Layer.provideMerge(
      ToolboxWithDelegation.layer(ToolboxWithMemory.layer(ToolboxWithCatalog.layer(
        ToolboxWithSkills.layer(ToolboxWithRemoteAgents.layer(ToolboxWithMcp.layer(
          ToolboxBuiltIn.layerWith<RequestedTools.Needed | Vault | Models | Scope.Scope>([
            ...RequestedTools.all,
            ...options.tools ?? []
          ])
        ))),
        { ...defaults, ...options }
      ))).pipe(
        Layer.provideMerge(HubsConfigured.layer(options.hubs ?? [])),
        Layer.provideMerge(
          Layer.mergeAll(
            ElicitationsStored.layer,
            McpStored.layer,
            RemoteAgentsStored.layerWith({ ...defaults, ...options }),
            SchedulesStored.layerWith({ ...defaults, ...options }),
            SkillsStored.layer
          )
        ),
        Layer.provide(options.outbound ?? unreachable)
      )
    ),
    Layer.provideMerge(DelegationStored.layerWith({ ...defaults, ...options })),
    Layer.provideMerge(OwnAgentsStored.layerWith(options.agents ?? [])),
    Layer.provideMerge(BackgroundTasksLocal.layer),
    Layer.provideMerge(RoomsLocal.layer),
    Layer.provideMerge(notifying(options)),
    Layer.provideMerge(options.workspace ?? workspaceInMemory),
    Layer.provideMerge(AuthComposite.layer(options)),
    Layer.provideMerge(
      Layer.mergeAll(
        AgentConfigsStored.layer,
        ApiKeysStored.layer,
        IdempotencyStored.layer,
        RotationStored.layer
      )
    ),
    Layer.provideMerge(CatalogStored.layer),
    Layer.provideMerge(HooksTold.layer),
    Layer.provideMerge(Layer.provide(HooksChained.layerWith(options), options.outbound ?? unreachable)),
    Layer.provideMerge(Layer.merge(parts, options.catalog ?? CatalogMemory.layer))
  )

/** What a user's own program adds to what Stoa brings. */
export interface Extensions {
  readonly providers?: ReadonlyArray<Provider>
  /** Tools of all agents, made with `define` of `layers/Toolbox/BuiltInTool.ts`. */
  readonly tools?: ReadonlyArray<ToolSource<Storage | Vault | Models | Workspace | Scope.Scope>>
  /** Agents that are code, made with `make` of `layers/OwnAgents/Agent.ts`. Each owner has them. */
  readonly agents?: ReadonlyArray<OwnAgent>
  /** Schemas of agents that are defined in files, by their names: above those that the files name. */
  readonly schemas?: Schemas
  /** Work that clients hand in and ask about later, made with `make` of `layers/OwnTasks/Task.ts`. */
  readonly tasks?: ReadonlyArray<OwnTaskKind>
  /** What is asked and told at points of the server and of its runs, made with `make` of `http/channels/Hook.ts`. */
  readonly hooks?: ReadonlyArray<Hook>
  /** What finds texts for the inputs of agents whose definitions name it, made with `make` of `layers/Retrievers/Retriever.ts`. */
  readonly retrievers?: ReadonlyArray<Retriever>
  /** The place of workspaces, instead of the one that the settings name. */
  readonly workspaces?: (settings: Settings) => Layer.Layer<Workspace>
}

const withModels = <A, E, R, M>(
  storage: Layer.Layer<Memories | M, E, R>,
  vault: Layer.Layer<Vault, A, M>,
  outbound: Layer.Layer<Outbound>,
  { providers = [] }: Extensions = {},
  models_dir?: string
) =>
  ModelsRouter.layerWith(providers, models_dir).pipe(
    Layer.provide(outbound),
    Layer.provideMerge(Layer.provideMerge(vault, storage))
  )

const throwAwayKey = Layer.unwrapEffect(
  Effect.sync(() => VaultAesGcm.layer({ keys: [Redacted.make(globalThis.crypto.getRandomValues(new Uint8Array(32)))] }))
).pipe(Layer.orDie)

/** A host over this storage, with a vault whose key ends with the process. */
export const over = <E, R>(
  storage: Layer.Layer<Memories, E, R>,
  options: Partial<EngineOptions> = {}
): Layer.Layer<Host, E, R> => {
  const outbound = OutboundGuarded.layer({ hosts: [], loopback: true })
  return engine(withModels(storage, throwAwayKey, outbound), { trusted: true, outbound, ...options })
}

/** A host in memory: nothing outlives the process. */
export const layerMemory: Layer.Layer<Host> = over(memory)

const silence = ({ model_first_byte_seconds, model_idle_seconds }: Settings) =>
  Layer.succeed(Silence, {
    firstPart: Duration.seconds(model_first_byte_seconds),
    idle: Duration.seconds(model_idle_seconds)
  })

/** The storage and the vault that the settings ask for. */
const persistence = (settings: Settings) => {
  const storage: Layer.Layer<Memories | KeyCheck, StorageRefused> = settings.database_url === undefined
    ? pglite({ dataDir: settings.data_dir, watchdog: Watchdog.limits })
    : postgres({ url: settings.database_url })
  const source = settings.vault_key === undefined
    ? { file: join(settings.data_dir, "vault.key") }
    : { key: settings.vault_key }
  return {
    // A bad key is told before anything is made.
    storage: Layer.provide(storage, Layer.effectDiscard(VaultChecked.examine(source))),
    vault: VaultChecked.layer({ source, acceptNew: settings.accept_new_vault_key })
  }
}

/** Records and keys without an engine, for the commands that look after them while no server runs. */
export const records = (settings: Settings) => {
  const { storage, vault } = persistence(settings)
  return Layer.provideMerge(ApiKeysStored.layer, Layer.provideMerge(vault, storage))
}

/** Where the definitions are, and the names that they may not have. */
export const definitionsOf = (
  dir: string,
  { receivers, schedule_min_seconds, smtp_url }: Pick<Settings, "receivers" | "schedule_min_seconds" | "smtp_url">,
  { agents = [], retrievers = [], schemas = {} }: Extensions
): CatalogFiles.Options => ({
  dir,
  schemas,
  schedule_min_seconds,
  receivers: { names: new Set(receivers.map(({ name }) => name)), mails: smtp_url !== undefined },
  taken: {
    agents: agents.map(({ name }) => name),
    tools: new Set(),
    retrievers: new Set(retrievers.map(({ name }) => name))
  }
})

const engineOf = (
  settings: Settings,
  extensions: Extensions,
  outbound: Layer.Layer<Outbound>,
  { definitions }: Looked = {}
) => ({
  ...settings,
  trusted: trustsUserHeader(settings),
  tools: extensions.tools,
  agents: extensions.agents,
  tasks: extensions.tasks,
  hooks: extensions.hooks,
  retrievers: extensions.retrievers,
  webhooks: settings.hooks,
  ...settings.definitions_dir !== undefined &&
    {
      catalog: CatalogFiles.layer({
        ...definitionsOf(settings.definitions_dir, settings, extensions),
        first: definitions
      })
    },
  outbound,
  mailer: mailer(settings)
})

const outboundOf = (settings: Settings) =>
  OutboundGuarded.layer({ hosts: settings.outbound_hosts, loopback: isLoopback(settings.host) })

/** What a start has read before the host is made. */
export interface Looked {
  readonly definitions?: Folder | undefined
}

/** The host that the settings ask for. */
export const layer = (settings: Settings, extensions: Extensions = {}, looked: Looked = {}) => {
  const { storage, vault } = persistence(settings)
  const outbound = outboundOf(settings)
  return engine(
    Layer.provide(withModels(storage, vault, outbound, extensions, settings.models_dir), silence(settings)),
    { ...engineOf(settings, extensions, outbound, looked), workspace: (extensions.workspaces ?? workspaces)(settings) }
  )
}

/** The same with everything in memory, the files of workspaces too: nothing outlives the process. */
export const inMemory = (settings: Settings, extensions: Extensions = {}): Layer.Layer<Host> => {
  const outbound = outboundOf(settings)
  return engine(
    Layer.provide(withModels(memory, throwAwayKey, outbound, extensions, settings.models_dir), silence(settings)),
    {
      ...engineOf(settings, extensions, outbound),
      workspace: extensions.workspaces === undefined ? workspaceInMemory : extensions.workspaces(settings)
    }
  )
}
