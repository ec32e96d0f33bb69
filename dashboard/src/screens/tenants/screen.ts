import { Users } from "lucide-react"
import type { Screen } from "../../app/Screen.ts"
import { words } from "../../words/words.ts"

export const tenants: Screen = {
  path: "/tenants",
  title: words.admin.tenants.title,
  icon: Users,
  group: "manage",
  scope: "admin",
  pages: { "/tenants": () => import("./Tenants.tsx") }
}
