import { Link } from "@tanstack/react-router"
import { KeySquare, Plus } from "lucide-react"
import { nameOf, typeOf, useAgents, useCredentials } from "../../api/Lists.ts"
import { useProviderTitle } from "../../api/Providers.ts"
import { buttonLook } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { usersOf } from "./Users.ts"

const text = words.credentials

const List = () => {
  const titleOf = useProviderTitle()
  const agents = useAgents().data?.agents ?? []
  const add = (
    <Link to="/credentials/new" className={buttonLook("primary")}>
      <Plus aria-hidden className="size-3.5" />
      {text.add}
    </Link>
  )
  return (
    <Page title={text.title} about={text.about} actions={add}>
      <Loaded query={useCredentials()}>
        {({ credentials }) =>
          credentials.length === 0
            ? <Empty icon={KeySquare} title={text.emptyTitle} action={add}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={credentials}
                idOf={({ id }) => id}
                to={({ id }) => `/credentials/${id}`}
                columns={[
                  { title: words.app.name, cell: nameOf },
                  { title: text.provider, cell: (credential) => titleOf(typeOf(credential)) },
                  {
                    title: text.usedBy,
                    cell: ({ id }) => {
                      const count = usersOf(agents, id).length
                      return count === 0
                        ? <span className="text-muted">{words.app.none}</span>
                        : text.usedByAgents(count)
                    }
                  },
                  { title: words.app.updated, isLess: true, cell: ({ updated_at }) => <Time at={updated_at} /> }
                ]}
              />
            )}
      </Loaded>
    </Page>
  )
}

export default List
