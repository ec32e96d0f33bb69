import { KeyRound } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const keys: Screen = {
  path: "/keys",
  title: words.admin.keys.title,
  icon: KeyRound,
  group: "manage",
  scope: "admin",
  pages: { "/keys": () => import("./Keys.tsx") }
}
