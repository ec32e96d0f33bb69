import { ServerCog } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const server: Screen = {
  path: "/server",
  title: words.admin.server.title,
  icon: ServerCog,
  group: "manage",
  scope: "admin",
  pages: { "/server": () => import("./Server.tsx") }
}
