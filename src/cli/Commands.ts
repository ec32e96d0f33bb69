/** Everything that can be typed after `stoa`. */
import { Command } from "@effect/cli"
import { Effect } from "effect"
import type { Extensions } from "../embed/Extensions.ts"
import { acp } from "./commands/acp.ts"
import { agents } from "./commands/agents.ts"
import { chat } from "./commands/chat.ts"
import { check } from "./commands/check.ts"
import { credentials } from "./commands/credentials.ts"
import { db } from "./commands/db.ts"
import { doctor } from "./commands/doctor.ts"
import { executions } from "./commands/executions.ts"
import { hubCommand } from "./commands/hub.ts"
import { init } from "./commands/init.ts"
import { invoke } from "./commands/invoke.ts"
import { jobs } from "./commands/jobs.ts"
import { keys } from "./commands/keys.ts"
import { mcp } from "./commands/mcp.ts"
import { models } from "./commands/models.ts"
import { notifications } from "./commands/notifications.ts"
import { reload } from "./commands/reload.ts"
import { runs } from "./commands/runs.ts"
import { schedules } from "./commands/schedules.ts"
import { sessions } from "./commands/sessions.ts"
import { skills } from "./commands/skills.ts"
import { tasks } from "./commands/tasks.ts"
import { tenants } from "./commands/tenants.ts"
import { tools } from "./commands/tools.ts"
import { usage } from "./commands/usage.ts"
import { vault } from "./commands/vault.ts"
import { version } from "./commands/version.ts"
import { workspaces } from "./commands/workspaces.ts"

const stoa = Command.make("stoa").pipe(Command.withDescription("the open server where agents live"))

const clients = [
  init,
  chat,
  acp,
  invoke,
  agents,
  sessions,
  runs,
  executions,
  tasks,
  schedules,
  notifications,
  credentials,
  models,
  usage,
  workspaces,
  mcp,
  tools,
  skills,
  hubCommand,
  tenants,
  jobs,
  keys,
  vault,
  check,
  reload,
  db,
  doctor,
  version
] as const

/** All commands except the server itself, which is only named here. */
export const withoutServer = Command.withSubcommands(stoa, [
  Command.make("serve").pipe(Command.withDescription("Run the server")),
  ...clients
])

/** Loads a whole server. */
export const withServer = (extensions: Extensions) =>
  Effect.map(
    Effect.promise(() => import("./commands/serve.ts")),
    ({ serve }) => Command.withSubcommands(stoa, [serve(extensions), ...clients])
  )
