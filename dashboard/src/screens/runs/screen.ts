import { Activity } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const runs: Screen = {
  path: "/runs",
  title: words.runs.title,
  icon: Activity,
  group: "watch",
  pages: {
    "/runs": () => import("./List.tsx"),
    "/runs/$run_id": () => import("./One.tsx")
  }
}
