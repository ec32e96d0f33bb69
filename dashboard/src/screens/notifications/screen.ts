import { BellRing } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const notifications: Screen = {
  path: "/notifications",
  title: words.notifications.title,
  icon: BellRing,
  group: "watch",
  pages: {
    "/notifications": () => import("./List.tsx"),
    "/notifications/$notification_id": () => import("./One.tsx")
  }
}
