/** The way back of each step of `All.ts`, null where there is none, by their names. What a step has made goes with all that is in it. */
import type { Down } from "../Downgrade.ts"

/** Of a step that has made these tables; the first ones refer to those after them. */
const tables = (...names: ReadonlyArray<string>): Down => ({
  statements: names.map((name) => `drop table ${name}`),
  loses: names
})

export const downs: Readonly<Record<string, Down | null>> = {
  "0001_initial": tables("log_pages", "messages", "keys", "runs", "sessions", "credentials", "agents"),
  "0002_idempotency": tables("claims"),
  // What is dropped here is found out again.
  "0003_retention": {
    statements: ["drop index runs_parked", "drop index runs_to_prune", "alter table runs drop column pruned"],
    loses: []
  },
  // No server drives a run meanwhile.
  "0004_driver": { statements: ["alter table runs drop column driver"], loses: [] },
  "0006_usage": tables("usage"),
  "0008_vault_check": tables("vault_check"),
  "0009_files": tables("session_files", "file_pieces", "files"),
  // Without the column nobody knows which pages are of the newer form.
  "0010_custom_events": {
    statements: ["alter table log_pages drop column form"],
    loses: ["log_pages where form > 1"]
  },
  "0011_schedules": {
    statements: [
      "drop index sessions_by_schedule",
      "alter table sessions drop column schedule_id",
      "drop table fires",
      "drop table schedule_states",
      "drop table schedules"
    ],
    loses: ["fires", "schedules", "sessions where schedule_id <> ''"]
  },
  "0012_mcp_servers": tables("mcp_servers"),
  // The columns say what the documents say too.
  "0013_run_filters": {
    statements: [
      "drop index runs_by_owner",
      "create index runs_by_owner on runs (owner, id)",
      "drop trigger fill_in_run on runs",
      "drop function fill_in_run()",
      "alter table runs drop column agent_id, drop column source, drop column source_id"
    ],
    loses: []
  },
  "0014_notifications": tables("deliveries", "notifications", "jobs"),
  "0015_tasks": tables("background_tasks"),
  "0016_skills": tables("skills", "skill_pieces", "skill_bundles"),
  "0017_context": tables("compactions"),
  "0018_channels": tables("session_keys"),
  "0019_responses": tables("conversations", "responses"),
  "0021_own_tasks": tables("own_tasks"),
  "0022_stored_completions": tables("stored_completions"),
  "0024_mcp_questions": tables("elicitations", "mcp_authorizations"),
  "0030_a2a_pushes": tables("a2a_pushes"),
  // Ids that no time begins are those of definitions. Older versions cannot read such schedules; newer ones make them anew.
  "0031_defined_schedules": {
    statements: [
      "delete from schedules where id < '00000001'",
      "drop index schedules_defined",
      "alter table schedules drop column defined"
    ],
    loses: ["schedules where id < '00000001'"]
  },
  "0032_agent_configs": tables("agent_configs"),
  "0033_recollections": tables("recollections"),
  "0035_remote_agents": tables("remote_calls", "remote_agents"),
  "0036_completion_messages": tables("completion_messages"),
  "0038_threads": tables("threads")
}
