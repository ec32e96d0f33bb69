import type { UseQueryResult } from "@tanstack/react-query"
import type { ReactNode } from "react"
import { StoaError } from "stoa/client/StoaError.ts"
import { sentenceOf } from "../api/Queries.ts"
import { words } from "../words/words.ts"
import { Button } from "./Button.tsx"
import { Notice } from "./Notice.tsx"
import { Skeleton } from "./Skeleton.tsx"

export interface LoadedProps<Data> {
  readonly query: UseQueryResult<Data>
  readonly children: (data: Data) => ReactNode
  readonly rows?: number
}

/** What is read from the server: that it is on its way, that it failed and why, or what it is, also when it is of before. */
export function Loaded<Data>({ children, query, rows = 4 }: LoadedProps<Data>) {
  const { data, error, isFetching, refetch } = query
  const again = <Button size="small" isBusy={isFetching} onClick={() => void refetch()}>{words.app.tryAgain}</Button>
  if (data !== undefined) {
    return (
      <>
        {error !== null && (
          <div className="mb-3">
            <Notice kind="warn" action={again}>{words.app.stale} {sentenceOf(error)}</Notice>
          </div>
        )}
        {children(data)}
      </>
    )
  }
  return error === null ? <Skeleton rows={rows} /> : <Failure error={error} action={again} />
}

/** Why something cannot be shown, in words that say what to do. */
export const Failure = ({ action, error }: { readonly error: unknown; readonly action?: ReactNode }) => {
  const status = error instanceof StoaError ? error.status : undefined
  const [title, about] = status === 403
    ? [words.app.notAllowed, words.app.notAllowedAbout]
    : status === 404
    ? [words.app.gone, words.app.goneAbout]
    : [undefined, undefined]
  return (
    <Notice kind={status === 404 || status === 403 ? "warn" : "bad"} action={status === 404 ? undefined : action}>
      {title !== undefined && <p className="font-semibold">{title}</p>}
      <p>{sentenceOf(error)}</p>
      {about !== undefined && <p className="text-muted">{about}</p>}
    </Notice>
  )
}
