import { Bot } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const agents: Screen = {
  path: "/agents",
  title: words.agents.title,
  icon: Bot,
  group: "build",
  pages: {
    "/agents": () => import("./List.tsx"),
    "/agents/new": () => import("./New.tsx"),
    "/agents/$agent_id": () => import("./One.tsx")
  }
}
