import type { UseQueryResult } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import type { ReactNode } from "react"
import { sentenceOf } from "../../api/Queries.ts"
import { dollars, short, whole } from "../../ui/Numbers.ts"
import { words } from "../../words/words.ts"
import { useRecentRuns, useUsageToday } from "./Activity.ts"

const text = words.home

interface TileProps {
  readonly title: string
  readonly value: ReactNode
  readonly about: ReactNode
  readonly to: string
  readonly query: UseQueryResult
}

const Tile = ({ about, query, title, to, value }: TileProps) => (
  <Link to={to} className="rounded-lg border border-line bg-panel px-4 py-3 text-text no-underline hover:border-accent">
    <span className="block text-xs text-muted">{title}</span>
    <span className="mt-0.5 block text-2xl font-semibold tabular-nums">{query.data === undefined ? "–" : value}</span>
    <span className="block truncate text-xs text-muted">
      {query.data === undefined && query.error !== null ? sentenceOf(query.error) : about}
    </span>
  </Link>
)

export const Tiles = () => {
  const recent = useRecentRuns()
  const today = useUsageToday()
  const runs = recent.data?.runs ?? []
  const active = runs.filter(({ status }) => status !== "ended")
  const waiting = active.filter(({ status }) => status.startsWith("awaiting")).length
  const totals = today.data?.totals
  const tokens = (totals?.input_tokens ?? 0) + (totals?.output_tokens ?? 0)
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-4">
      <Tile
        title={text.active}
        value={whole(active.length)}
        about={text.activeAbout(waiting)}
        to="/runs"
        query={recent}
      />
      <Tile
        title={text.errors}
        value={whole(runs.filter(({ error }) => error !== null).length)}
        about={text.errorsAbout}
        to="/runs"
        query={recent}
      />
      <Tile
        title={text.today}
        value={short(tokens)}
        about={text.calls(whole(totals?.calls ?? 0))}
        to="/usage"
        query={today}
      />
      <Tile
        title={text.spent}
        value={dollars(totals?.cost ?? null)}
        about={text.spentAbout(totals?.unpriced_calls ?? 0)}
        to="/usage"
        query={today}
      />
    </div>
  )
}
