import { MessageSquare } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

const chat = () => import("./Chat.tsx")

export const playground: Screen = {
  path: "/chat",
  title: words.chat.title,
  icon: MessageSquare,
  group: "start",
  pages: {
    "/chat": () => import("./New.tsx"),
    "/chat/$session_id": chat,
    "/sessions/$session_id": chat
  }
}
