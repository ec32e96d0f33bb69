import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import {
  Internal,
  Invalid,
  LimitReached,
  Malformed,
  MethodNotAllowed,
  TooLarge,
  Unavailable,
  UnsupportedContent
} from "../domain/Errors.ts"
import { AgentEvent } from "../domain/Event.ts"
import { Message } from "../domain/Message.ts"
import { AgentsApi } from "./api/Agents.ts"
import { ChatApi } from "./api/Chat.ts"
import { CredentialsApi } from "./api/Credentials.ts"
import { documentsProblems } from "./api/Document.ts"
import { EmbeddingsApi } from "./api/Embeddings.ts"
import { HealthApi } from "./api/Health.ts"
import { KeysApi } from "./api/Keys.ts"
import { MessagesApi } from "./api/Messages.ts"
import { ModelsApi } from "./api/Models.ts"
import { RunsApi } from "./api/Runs.ts"
import { SessionsApi } from "./api/Sessions.ts"
import { UsageApi } from "./api/Usage.ts"
import { VaultApi } from "./api/Vault.ts"

/** The native door. Every path answers with and without a trailing slash. */
export class Api extends HttpApi.make("stoa")
  .add(AgentsApi)
  .add(CredentialsApi)
  .add(ModelsApi)
  .add(EmbeddingsApi)
  .add(SessionsApi)
  .add(MessagesApi)
  .add(ChatApi)
  .add(RunsApi)
  .add(UsageApi)
  .add(KeysApi)
  .add(VaultApi)
  .add(HealthApi)
  .addError(Malformed)
  .addError(MethodNotAllowed)
  .addError(TooLarge)
  .addError(UnsupportedContent)
  .addError(Invalid)
  .addError(LimitReached)
  .addError(Internal)
  .addError(Unavailable)
  .annotate(OpenApi.Title, "Stoa")
  .annotate(OpenApi.Version, "0.1.0")
  .annotate(OpenApi.Description, "The open server where agents live.")
  .annotate(HttpApi.AdditionalSchemas, [AgentEvent, Message])
  .annotate(OpenApi.Transform, documentsProblems)
{}
