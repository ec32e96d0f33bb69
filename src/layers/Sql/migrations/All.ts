import type { Migrations } from "../Migrations.ts"
import { initial } from "./0001_initial.ts"
import { idempotency } from "./0002_idempotency.ts"
import { retention } from "./0003_retention.ts"
import { driver } from "./0004_driver.ts"
import { usage } from "./0006_usage.ts"
import { vaultCheck } from "./0008_vault_check.ts"
import { files } from "./0009_files.ts"
import { customEvents } from "./0010_custom_events.ts"
import { schedules } from "./0011_schedules.ts"
import { mcpServers } from "./0012_mcp_servers.ts"
import { runFilters } from "./0013_run_filters.ts"
import { notifications } from "./0014_notifications.ts"
import { tasks } from "./0015_tasks.ts"
import { skills } from "./0016_skills.ts"
import { context } from "./0017_context.ts"
import { channels } from "./0018_channels.ts"
import { responses } from "./0019_responses.ts"
import { ownTasks } from "./0021_own_tasks.ts"
import { storedCompletions } from "./0022_stored_completions.ts"
import { mcpQuestions } from "./0024_mcp_questions.ts"
import { a2aPushes } from "./0030_a2a_pushes.ts"
import { definedSchedules } from "./0031_defined_schedules.ts"
import { agentConfigs } from "./0032_agent_configs.ts"
import { recollections } from "./0033_recollections.ts"
import { remoteAgents } from "./0035_remote_agents.ts"
import { completionMessages } from "./0036_completion_messages.ts"
import { threads } from "./0038_threads.ts"

/** Every step, for `Migrations.migrate`. */
export const all: Migrations = {
  "0001_initial": initial,
  "0002_idempotency": idempotency,
  "0003_retention": retention,
  "0004_driver": driver,
  "0006_usage": usage,
  "0008_vault_check": vaultCheck,
  "0009_files": files,
  "0010_custom_events": customEvents,
  "0011_schedules": schedules,
  "0012_mcp_servers": mcpServers,
  "0013_run_filters": runFilters,
  "0014_notifications": notifications,
  "0015_tasks": tasks,
  "0016_skills": skills,
  "0017_context": context,
  "0018_channels": channels,
  "0019_responses": responses,
  "0021_own_tasks": ownTasks,
  "0022_stored_completions": storedCompletions,
  "0024_mcp_questions": mcpQuestions,
  "0030_a2a_pushes": a2aPushes,
  "0031_defined_schedules": definedSchedules,
  "0032_agent_configs": agentConfigs,
  "0033_recollections": recollections,
  "0035_remote_agents": remoteAgents,
  "0036_completion_messages": completionMessages,
  "0038_threads": threads
}
