import { CircleAlert, Info, type LucideIcon, TriangleAlert } from "lucide-react"
import type { ReactNode } from "react"

const looks = {
  info: { icon: Info, look: "border-line bg-sunken", color: "text-accent" },
  warn: { icon: TriangleAlert, look: "border-transparent bg-warn-soft", color: "text-warn" },
  bad: { icon: CircleAlert, look: "border-transparent bg-bad-soft", color: "text-bad" }
}

export interface NoticeProps {
  readonly kind?: keyof typeof looks
  readonly icon?: LucideIcon
  readonly action?: ReactNode
  readonly children: ReactNode
}

/** A sentence that belongs to the page, and not to a moment. */
export const Notice = ({ action, children, icon, kind = "info" }: NoticeProps) => {
  const { color, icon: usual, look } = looks[kind]
  const Icon = icon ?? usual
  return (
    <div
      role={kind === "bad" ? "alert" : "note"}
      className={`flex items-start gap-2.5 rounded-lg border px-3 py-2.5 text-sm ${look}`}
    >
      <Icon aria-hidden className={`mt-0.5 size-4 shrink-0 ${color}`} />
      <div className="min-w-0 flex-1 break-words">{children}</div>
      {action}
    </div>
  )
}
