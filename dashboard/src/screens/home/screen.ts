import { House } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const home: Screen = {
  path: "/",
  title: words.home.title,
  icon: House,
  group: "start",
  pages: { "/": () => import("./Home.tsx") }
}
