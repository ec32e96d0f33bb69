import { KeySquare } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const credentials: Screen = {
  path: "/credentials",
  title: words.credentials.title,
  icon: KeySquare,
  group: "build",
  pages: {
    "/credentials": () => import("./List.tsx"),
    "/credentials/new": () => import("./New.tsx"),
    "/credentials/$credential_id": () => import("./One.tsx")
  }
}
