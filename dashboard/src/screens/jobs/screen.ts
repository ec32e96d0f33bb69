import { ListChecks } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const jobs: Screen = {
  path: "/jobs",
  title: words.admin.jobs.title,
  icon: ListChecks,
  group: "manage",
  scope: "admin",
  pages: { "/jobs": () => import("./Jobs.tsx") }
}
