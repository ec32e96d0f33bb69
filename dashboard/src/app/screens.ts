/** All screens, one line each, in the order of the navigation. */
import { agents } from "../screens/agents/screen.ts"
import { credentials } from "../screens/credentials/screen.ts"
import { home } from "../screens/home/screen.ts"
import { jobs } from "../screens/jobs/screen.ts"
import { keys } from "../screens/keys/screen.ts"
import { mcp } from "../screens/mcp/screen.ts"
import { models } from "../screens/models/screen.ts"
import { notifications } from "../screens/notifications/screen.ts"
import { playground } from "../screens/playground/screen.ts"
import { runs } from "../screens/runs/screen.ts"
import { schedules } from "../screens/schedules/screen.ts"
import { server } from "../screens/server/screen.ts"
import { sessions } from "../screens/sessions/screen.ts"
import { skills } from "../screens/skills/screen.ts"
import { tenants } from "../screens/tenants/screen.ts"
import { usage } from "../screens/usage/screen.ts"
import { workspaces } from "../screens/workspaces/screen.ts"
import type { Screen } from "./Screen.ts"

export const screens: ReadonlyArray<Screen> = [
  home,
  playground,
  sessions,
  runs,
  agents,
  schedules,
  credentials,
  models,
  mcp,
  skills,
  workspaces,
  usage,
  notifications,
  keys,
  tenants,
  jobs,
  server
]
