import { ChartColumn } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const usage: Screen = {
  path: "/usage",
  title: words.usage.title,
  icon: ChartColumn,
  group: "watch",
  pages: { "/usage": () => import("./Usage.tsx") }
}
