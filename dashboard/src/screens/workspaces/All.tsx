import { useQuery } from "@tanstack/react-query"
import { FolderTree, Trash2 } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import { type Answer, useAgents } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { IconButton } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { bytes } from "../../ui/Numbers.ts"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.workspaces

type Workspace = Answer<"workspaces", "list">["workspaces"][number]

const Size = ({ workspace_key }: { readonly workspace_key: string }) => {
  const { data } = useQuery({
    queryKey: ["workspaces", workspace_key],
    queryFn: () => api.workspaces.get({ path: { workspace_key } })
  })
  return <>{data === undefined ? "–" : bytes(data.bytes)}</>
}

/** The workspaces themselves, whoever works in them. */
export const All = () => {
  const agents = useAgents().data?.agents ?? []
  const [removing, setRemoving] = useState<Workspace>()
  const remove = useChange({
    run: ({ id }: Workspace) => api.workspaces.remove({ path: { workspace_key: id } }),
    changes: ["workspaces"],
    done: words.app.removed,
    next: () => setRemoving(undefined)
  })
  const nameOf = ({ agent_id, id }: Workspace) => agents.find((agent) => agent.id === agent_id)?.data.name ?? id
  return (
    <Loaded query={useQuery({ queryKey: ["workspaces"], queryFn: () => api.workspaces.list() })}>
      {({ workspaces }) =>
        workspaces.length === 0
          ? <Empty icon={FolderTree} title={text.emptyTitle}>{text.emptyAbout}</Empty>
          : (
            <>
              <Table
                label={text.title}
                rows={workspaces}
                idOf={({ id }) => id}
                columns={[
                  { title: text.agent, cell: nameOf },
                  { title: text.isolation, cell: ({ isolation }) => text.isolations[isolation] },
                  { title: text.size, isNumber: true, cell: ({ id }) => <Size workspace_key={id} /> },
                  { title: text.used, cell: ({ last_used_at }) => <Time at={last_used_at} /> },
                  {
                    title: words.app.actions,
                    isUntitled: true,
                    isNumber: true,
                    cell: (workspace) => (
                      <IconButton
                        icon={Trash2}
                        label={`${words.app.remove}: ${nameOf(workspace)}`}
                        onClick={() => setRemoving(workspace)}
                      />
                    )
                  }
                ]}
              />
              <Confirm
                isOpen={removing !== undefined}
                onClose={() => setRemoving(undefined)}
                title={words.app.removeWhat(removing === undefined ? "" : nameOf(removing))}
                about={text.removeAbout}
                action={words.app.remove}
                isBusy={remove.isPending}
                onConfirm={() => removing !== undefined && remove.mutate(removing)}
              />
            </>
          )}
    </Loaded>
  )
}
