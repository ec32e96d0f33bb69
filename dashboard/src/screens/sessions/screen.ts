import { MessagesSquare } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const sessions: Screen = {
  path: "/sessions",
  title: words.sessions.title,
  icon: MessagesSquare,
  group: "watch",
  pages: { "/sessions": () => import("./List.tsx") }
}
