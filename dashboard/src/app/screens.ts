/** All screens, one line each, in the order of the navigation. */
import { agents } from "../screens/agents/screen.ts"
import { credentials } from "../screens/credentials/screen.ts"
import { home } from "../screens/home/screen.ts"
import { models } from "../screens/models/screen.ts"
import { playground } from "../screens/playground/screen.ts"
import { runs } from "../screens/runs/screen.ts"
import { schedules } from "../screens/schedules/screen.ts"
import { sessions } from "../screens/sessions/screen.ts"
import type { Screen } from "./Screen.ts"

export const screens: ReadonlyArray<Screen> = [
  home,
  playground,
  sessions,
  runs,
  agents,
  credentials,
  models,
  schedules
]
