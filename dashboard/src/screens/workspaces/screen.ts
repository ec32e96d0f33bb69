import { FolderTree } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const workspaces: Screen = {
  path: "/workspaces",
  title: words.workspaces.title,
  icon: FolderTree,
  group: "build",
  pages: { "/workspaces": () => import("./Workspaces.tsx") }
}
