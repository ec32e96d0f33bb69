import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { History as HistoryIcon } from "lucide-react"
import { api } from "../../api/Api.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { millis } from "../../ui/Numbers.ts"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { fireTones } from "./Tones.ts"

const text = words.schedules

/** How often it is looked for new fires, in milliseconds. */
const every = 4_000

export const History = ({ schedule_id }: { readonly schedule_id: string }) => {
  const query = useQuery({
    queryKey: ["schedules", schedule_id, "fires"],
    queryFn: () => api.schedules.fires({ path: { schedule_id }, urlParams: { limit: 50 } }),
    refetchInterval: every
  })
  return (
    <Loaded query={query}>
      {({ fires }) =>
        fires.length === 0
          ? <Empty icon={HistoryIcon} title={text.noHistory} />
          : (
            <Table
              label={text.history}
              rows={fires}
              idOf={({ id }) => id}
              columns={[
                { title: text.due, cell: ({ due_at }) => <Time at={due_at} /> },
                {
                  title: words.app.status,
                  cell: ({ error, reason, status, trigger }) => (
                    <span className="flex flex-wrap items-center gap-1.5">
                      <Badge tone={fireTones[status]}>{text.fireStatuses[status]}</Badge>
                      {trigger === "manual" && <Badge>{text.manual}</Badge>}
                      <span className="text-xs text-muted">{error?.message ?? reason}</span>
                    </span>
                  )
                },
                {
                  title: text.late,
                  isNumber: true,
                  cell: ({ lateness_ms }) => lateness_ms === null ? "–" : millis(lateness_ms)
                },
                {
                  title: text.took,
                  isNumber: true,
                  cell: ({ duration_ms }) => duration_ms === null ? "–" : millis(duration_ms)
                },
                {
                  title: text.session,
                  cell: ({ session_id }) =>
                    session_id === null ? "–" : <Link to={`/sessions/${session_id}`}>{text.session}</Link>
                }
              ]}
            />
          )}
    </Loaded>
  )
}
