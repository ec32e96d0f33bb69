import { CalendarClock } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const schedules: Screen = {
  path: "/schedules",
  title: words.schedules.title,
  icon: CalendarClock,
  group: "build",
  pages: {
    "/schedules": () => import("./List.tsx"),
    "/schedules/new": () => import("./New.tsx"),
    "/schedules/$schedule_id": () => import("./One.tsx")
  }
}
