import { useQuery } from "@tanstack/react-query"
import { BellRing, Plus } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { words } from "../../words/words.ts"
import { AddNotification } from "./AddNotification.tsx"

const text = words.notifications

const List = () => {
  const [isAdding, setAdding] = useState(false)
  const add = <Button look="primary" icon={Plus} onClick={() => setAdding(true)}>{text.add}</Button>
  const query = useQuery({
    queryKey: ["notifications"],
    queryFn: () => api.notifications.list({ urlParams: { limit: 1_000 } })
  })
  return (
    <Page title={text.title} about={text.about} actions={add}>
      <Loaded query={query}>
        {({ notifications }) =>
          notifications.length === 0
            ? <Empty icon={BellRing} title={text.emptyTitle} action={add}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={notifications}
                idOf={({ id }) => id}
                to={({ id }) => `/notifications/${id}`}
                columns={[
                  { title: words.app.name, cell: ({ name }) => name },
                  { title: text.kind, cell: ({ kind }) => text.kinds[kind] },
                  { title: text.target, cell: ({ target }) => <span className="break-all">{target}</span> },
                  {
                    title: text.events,
                    isLess: true,
                    cell: ({ events }) => events.map((event) => text.eventNames[event]).join(", ")
                  },
                  {
                    title: words.app.status,
                    cell: ({ enabled }) => (
                      <Badge tone={enabled ? "ok" : "warn"}>{enabled ? text.enabled : text.disabled}</Badge>
                    )
                  }
                ]}
              />
            )}
      </Loaded>
      {isAdding && <AddNotification onClose={() => setAdding(false)} />}
    </Page>
  )
}

export default List
