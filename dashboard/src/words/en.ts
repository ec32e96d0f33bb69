/** All texts in English, one part for each screen. Another language is a table of the same type. */
import { agents } from "./en/agents.ts"
import { app } from "./en/app.ts"
import { credentials } from "./en/credentials.ts"
import { forms } from "./en/forms.ts"
import { home } from "./en/home.ts"
import { models } from "./en/models.ts"
import { schedules } from "./en/schedules.ts"

export const en = { agents, app, credentials, forms, home, models, schedules }
