import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import { AgentEvent } from "../domain/Event.ts"
import { Message } from "../domain/Message.ts"
import { AdminApi } from "./api/Admin.ts"
import { AgentsApi } from "./api/Agents.ts"
import { BackgroundTasksApi } from "./api/BackgroundTasks.ts"
import { ChatApi } from "./api/Chat.ts"
import { CredentialsApi } from "./api/Credentials.ts"
import * as Document from "./api/Document.ts"
import { ElicitationsApi } from "./api/Elicitations.ts"
import { EmbeddingsApi } from "./api/Embeddings.ts"
import { FilesApi } from "./api/Files.ts"
import { HealthApi } from "./api/Health.ts"
import { HubListsApi, HubsApi } from "./api/Hubs.ts"
import { JobsApi } from "./api/Jobs.ts"
import { KeysApi } from "./api/Keys.ts"
import { McpServersApi } from "./api/McpServers.ts"
import { MessagesApi } from "./api/Messages.ts"
import { ModelsApi } from "./api/Models.ts"
import { NotificationsApi } from "./api/Notifications.ts"
import * as Problem from "./api/Problem.ts"
import { RunsApi } from "./api/Runs.ts"
import { SchedulesApi } from "./api/Schedules.ts"
import { SessionKeysApi } from "./api/SessionKeys.ts"
import { SessionsApi } from "./api/Sessions.ts"
import { SkillsApi } from "./api/Skills.ts"
import { UsageApi } from "./api/Usage.ts"
import { VaultApi } from "./api/Vault.ts"
import { WorkspacesApi } from "./api/Workspaces.ts"

/**
 * The errors that any request can get. The document shows each of them only
 * where the operation can give it.
 */
const native = HttpApi.make("stoa")
  .add(AgentsApi)
  .add(CredentialsApi)
  .add(ModelsApi)
  .add(EmbeddingsApi)
  .add(SessionsApi)
  .add(SessionKeysApi)
  .add(MessagesApi)
  .add(FilesApi)
  .add(ChatApi)
  .add(RunsApi)
  .add(BackgroundTasksApi)
  .add(ElicitationsApi)
  .add(SchedulesApi)
  .add(NotificationsApi)
  .add(UsageApi)
  .add(AdminApi)
  .add(JobsApi)
  .add(KeysApi)
  .add(VaultApi)
  .add(WorkspacesApi)
  .add(McpServersApi)
  .add(SkillsApi)
  .add(HubsApi)
  .add(HubListsApi)
  .add(HealthApi)
  .addError(Problem.Malformed)
  .addError(Problem.TooLarge)
  .addError(Problem.UnsupportedContent)
  .addError(Problem.Invalid)
  .addError(Problem.Internal)
  .addError(Problem.Unavailable)
  .annotate(OpenApi.Title, "Stoa")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(
    OpenApi.Description,
    "The open server where agents live.\n\nFields of a body and parameters of a query that no operation knows are left "
      + "out, and named: in the member `warnings` of an answer that is a JSON object, and in the header `stoa-warnings` of "
      + "every answer, both as an array of sentences."
  )
  .annotate(HttpApi.AdditionalSchemas, [AgentEvent, Message, Problem.Problem])

/** The native API. Every path answers with and without a trailing slash. */
export class Api extends native.annotate(OpenApi.Transform, Document.describing(native)) {}
