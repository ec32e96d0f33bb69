import { useQuery } from "@tanstack/react-query"
import { Users } from "lucide-react"
import { api } from "../../api/Api.ts"
import { changeUser } from "../../api/Identity.ts"
import { useSession } from "../../api/Session.ts"
import { Button } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { dollars, whole } from "../../ui/Numbers.ts"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.admin.tenants

const Tenants = () => {
  const { user_id: me } = useSession()
  const query = useQuery({
    queryKey: ["tenants"],
    queryFn: () => api.admin.tenants({ urlParams: { limit: 1_000 } })
  })
  return (
    <Page title={text.title} about={text.about}>
      <Loaded query={query}>
        {({ tenants }) =>
          tenants.length === 0 ? <Empty icon={Users} title={text.emptyTitle} /> : (
            <Table
              label={text.title}
              rows={tenants}
              idOf={({ user_id }) => user_id}
              columns={[
                { title: text.user, cell: ({ user_id }) => <span className="font-medium">{user_id}</span> },
                { title: text.agents, isNumber: true, cell: ({ agents }) => whole(agents) },
                { title: text.sessions, isNumber: true, cell: ({ sessions }) => whole(sessions) },
                { title: text.runs, isNumber: true, cell: ({ runs }) => whole(runs) },
                { title: text.keys, isNumber: true, isLess: true, cell: ({ keys }) => whole(keys) },
                { title: text.cost, isNumber: true, cell: ({ usage }) => dollars(usage.cost) },
                { title: text.active, isLess: true, cell: ({ last_active_at }) => <Time at={last_active_at} /> },
                {
                  title: words.app.actions,
                  isUntitled: true,
                  isNumber: true,
                  cell: ({ user_id }) =>
                    user_id !== me && <Button size="small" onClick={() => changeUser(user_id)}>{text.actAs}</Button>
                }
              ]}
            />
          )}
      </Loaded>
    </Page>
  )
}

export default Tenants
