import { Cpu } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const models: Screen = {
  path: "/models",
  title: words.models.title,
  icon: Cpu,
  group: "build",
  pages: { "/models": () => import("./Models.tsx") }
}
