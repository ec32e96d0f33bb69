/** All texts in English, one part for each screen. Another language is a table of the same type. */
import { app } from "./en/app.ts"
import { forms } from "./en/forms.ts"
import { home } from "./en/home.ts"

export const en = { app, forms, home }
