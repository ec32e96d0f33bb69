import { Link } from "@tanstack/react-router"
import { CalendarClock, Plus } from "lucide-react"
import { useAgents, useSchedules } from "../../api/Lists.ts"
import { Badge } from "../../ui/Badge.tsx"
import { buttonLook } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { plainOf } from "./Plain.ts"
import { tones } from "./Tones.ts"

const text = words.schedules

const List = () => {
  const agents = useAgents().data?.agents ?? []
  const add = (
    <Link to="/schedules/new" className={buttonLook("primary")}>
      <Plus aria-hidden className="size-3.5" />
      {text.add}
    </Link>
  )
  return (
    <Page title={text.title} about={text.about} actions={add}>
      <Loaded query={useSchedules()}>
        {({ schedules }) =>
          schedules.length === 0
            ? <Empty icon={CalendarClock} title={text.emptyTitle} action={add}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={schedules}
                idOf={({ id }) => id}
                to={({ id }) => `/schedules/${id}`}
                columns={[
                  { title: words.app.name, cell: ({ data }) => data.name },
                  {
                    title: words.app.status,
                    cell: ({ status }) => <Badge tone={tones[status]}>{text.statuses[status]}</Badge>
                  },
                  { title: text.when, cell: ({ data }) => plainOf(data) },
                  {
                    title: text.agent,
                    isLess: true,
                    cell: ({ agent_id }) => agents.find(({ id }) => id === agent_id)?.data.name ?? agent_id
                  },
                  { title: text.next, cell: ({ next_fire_at }) => <Time at={next_fire_at} /> },
                  { title: text.last, isLess: true, cell: ({ last_fire_at }) => <Time at={last_fire_at} /> }
                ]}
              />
            )}
      </Loaded>
    </Page>
  )
}

export default List
