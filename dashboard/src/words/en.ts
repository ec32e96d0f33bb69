/** All texts in English, one part for each screen. Another language is a table of the same type. */
import { admin } from "./en/admin.ts"
import { agents } from "./en/agents.ts"
import { app } from "./en/app.ts"
import { chat } from "./en/chat.ts"
import { credentials } from "./en/credentials.ts"
import { forms } from "./en/forms.ts"
import { home } from "./en/home.ts"
import { mcp } from "./en/mcp.ts"
import { models } from "./en/models.ts"
import { notifications } from "./en/notifications.ts"
import { runs } from "./en/runs.ts"
import { schedules } from "./en/schedules.ts"
import { sessions } from "./en/sessions.ts"
import { skills } from "./en/skills.ts"
import { usage } from "./en/usage.ts"
import { workspaces } from "./en/workspaces.ts"

export const en = {
  admin,
  agents,
  app,
  chat,
  credentials,
  forms,
  home,
  mcp,
  models,
  notifications,
  runs,
  schedules,
  sessions,
  skills,
  usage,
  workspaces
}
