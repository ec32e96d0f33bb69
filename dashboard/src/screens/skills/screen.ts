import { GraduationCap } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const skills: Screen = {
  path: "/skills",
  title: words.skills.title,
  icon: GraduationCap,
  group: "build",
  pages: { "/skills": () => import("./Skills.tsx"), "/skills/$skill_id": () => import("./One.tsx") }
}
