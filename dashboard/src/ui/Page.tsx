import { Link } from "@tanstack/react-router"
import { type ReactNode, useEffect } from "react"
import { titleOf } from "../app/Branding.ts"

export interface PageProps {
  readonly title: string
  readonly about?: ReactNode
  /** The screens above this one. */
  readonly above?: ReadonlyArray<{ readonly to: string; readonly title: string }>
  readonly actions?: ReactNode
  readonly children: ReactNode
}

/** The usual page of a screen: what it is, what one can do there, and the rest. */
export const Page = ({ about, above = [], actions, children, title }: PageProps) => {
  useEffect(() => {
    document.title = titleOf(title)
  }, [title])
  return (
    <div className="mx-auto w-full max-w-6xl px-4 py-5 md:px-7 md:py-6">
      <header className="mb-5 flex flex-wrap items-start gap-x-4 gap-y-2">
        <div className="min-w-0 flex-1">
          {above.length > 0 && (
            <nav aria-label={title} className="mb-0.5 text-xs text-muted">
              {above.map(({ title, to }) => (
                <span key={to}>
                  <Link to={to} className="text-muted no-underline hover:underline">{title}</Link> /{" "}
                </span>
              ))}
            </nav>
          )}
          <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
          {about !== undefined && <p className="mt-0.5 max-w-2xl text-sm text-muted">{about}</p>}
        </div>
        {actions !== undefined && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
      </header>
      {children}
    </div>
  )
}

/** A part of a page on its own ground. */
export const Panel = (
  { actions, children, title }: { readonly title?: string; readonly actions?: ReactNode; readonly children: ReactNode }
) => (
  <section className="rounded-lg border border-line bg-panel">
    {title !== undefined && (
      <header className="flex min-h-11 items-center gap-2 border-b border-line px-4 py-1.5">
        <h2 className="flex-1 text-sm font-semibold">{title}</h2>
        {actions}
      </header>
    )}
    <div className="p-4">{children}</div>
  </section>
)
