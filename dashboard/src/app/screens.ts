/** All screens, one line each, in the order of the navigation. */
import { agents } from "../screens/agents/screen.ts"
import { credentials } from "../screens/credentials/screen.ts"
import { home } from "../screens/home/screen.ts"
import { models } from "../screens/models/screen.ts"
import { schedules } from "../screens/schedules/screen.ts"
import type { Screen } from "./Screen.ts"

export const screens: ReadonlyArray<Screen> = [
  home,
  agents,
  credentials,
  models,
  schedules
]
