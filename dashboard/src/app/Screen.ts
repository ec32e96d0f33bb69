/** What a screen says of itself; `screens.ts` lists them all. */
import type { LucideIcon } from "lucide-react"
import type { ComponentType } from "react"

/** The parts of the side navigation, in their order. */
export const groups = ["start", "build", "watch", "manage"] as const
export type Group = (typeof groups)[number]

/** A page of its own file, loaded when it is first opened. */
export type LoadPage = () => Promise<{ readonly default: ComponentType }>

export interface Screen {
  /** Where its first page is: `/agents`. */
  readonly path: string
  readonly title: string
  readonly icon: LucideIcon
  readonly group: Group
  /** All of its pages by their paths: `/agents`, `/agents/$agent_id`. */
  readonly pages: Readonly<Record<string, LoadPage>>
  /** Only those who have it see the screen in the navigation. */
  readonly scope?: "admin"
}
