import { Plug } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const mcp: Screen = {
  path: "/mcp",
  title: words.mcp.title,
  icon: Plug,
  group: "build",
  pages: { "/mcp": () => import("./Mcp.tsx") }
}
