/** All texts in English, one part for each screen. Another language is a table of the same type. */
import { agents } from "./en/agents.ts"
import { app } from "./en/app.ts"
import { chat } from "./en/chat.ts"
import { credentials } from "./en/credentials.ts"
import { forms } from "./en/forms.ts"
import { home } from "./en/home.ts"
import { models } from "./en/models.ts"
import { runs } from "./en/runs.ts"
import { schedules } from "./en/schedules.ts"
import { sessions } from "./en/sessions.ts"

export const en = {
  agents,
  app,
  chat,
  credentials,
  forms,
  home,
  models,
  runs,
  schedules,
  sessions
}
