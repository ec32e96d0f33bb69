import type { LucideIcon } from "lucide-react"
import type { ReactNode } from "react"

export interface EmptyProps {
  readonly icon: LucideIcon
  readonly title: string
  /** What it is for, and how the first one comes to be. */
  readonly children?: ReactNode
  readonly action?: ReactNode
}

/** What stands where a list has nothing yet. */
export const Empty = ({ action, children, icon: Icon, title }: EmptyProps) => (
  <div className="flex flex-col items-center rounded-lg border border-dashed border-line px-6 py-12 text-center">
    <span className="mb-3 inline-flex size-10 items-center justify-center rounded-full bg-sunken text-muted">
      <Icon aria-hidden className="size-5" />
    </span>
    <h2 className="font-semibold">{title}</h2>
    {children !== undefined && <div className="mt-1 max-w-md text-sm text-muted">{children}</div>}
    {action !== undefined && <div className="mt-4 flex flex-wrap justify-center gap-2">{action}</div>}
  </div>
)
