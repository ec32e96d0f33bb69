import { Link } from "@tanstack/react-router"
import { Bot, Plus } from "lucide-react"
import { type Agent, useAgents } from "../../api/Lists.ts"
import { useProviderTitle } from "../../api/Providers.ts"
import { Badge } from "../../ui/Badge.tsx"
import { buttonLook } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.agents

const toolsOf = ({ data: { tools } }: Agent): string =>
  typeof tools === "object" ? tools.join(", ") : text.toolChoices[tools ?? "default"]

const List = () => {
  const titleOf = useProviderTitle()
  const add = (
    <Link to="/agents/new" className={buttonLook("primary")}>
      <Plus aria-hidden className="size-3.5" />
      {text.add}
    </Link>
  )
  return (
    <Page title={text.title} about={text.about} actions={add}>
      <Loaded query={useAgents()}>
        {({ agents }) =>
          agents.length === 0
            ? <Empty icon={Bot} title={text.emptyTitle} action={add}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={agents}
                idOf={({ id }) => id}
                to={({ id }) => `/agents/${id}`}
                columns={[
                  { title: words.app.name, cell: ({ data }) => data.name },
                  {
                    title: text.model,
                    cell: ({ data: { chat_model_config: config } }) =>
                      config === null || config === undefined
                        ? <Badge tone="warn">{text.noModel}</Badge>
                        : (
                          <>
                            {config.model} <span className="text-muted">{titleOf(config.type)}</span>
                          </>
                        )
                  },
                  {
                    title: text.tools,
                    isLess: true,
                    cell: (agent) => <span className="block max-w-64 truncate">{toolsOf(agent)}</span>
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
