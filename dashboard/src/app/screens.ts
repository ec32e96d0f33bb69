/** All screens, one line each, in the order of the navigation. */
import { home } from "../screens/home/screen.ts"
import type { Screen } from "./Screen.ts"

export const screens: ReadonlyArray<Screen> = [home]
