import { useQuery } from "@tanstack/react-query"
import { KeyRound, Plus } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import type { Answer } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { AddKey } from "./AddKey.tsx"

const text = words.admin.keys

type Key = Answer<"keys", "list">["keys"][number]

const State = ({ value: { expires_at, revoked_at } }: { readonly value: Key }) =>
  revoked_at !== null
    ? <Badge tone="bad">{text.revoked}</Badge>
    : expires_at !== null && Date.parse(expires_at) <= Date.now()
    ? <Badge tone="warn">{text.expired}</Badge>
    : <Badge tone="ok">{text.usable}</Badge>

const Keys = () => {
  const [isAdding, setAdding] = useState(false)
  const [revoking, setRevoking] = useState<Key>()
  const query = useQuery({ queryKey: ["keys"], queryFn: () => api.keys.list({ urlParams: { limit: 1_000 } }) })
  const revoke = useChange({
    run: ({ id }: Key) => api.keys.revoke({ path: { key_id: id } }),
    changes: ["keys"],
    next: () => setRevoking(undefined)
  })
  const add = <Button look="primary" icon={Plus} onClick={() => setAdding(true)}>{text.add}</Button>
  return (
    <Page title={text.title} about={text.about} actions={add}>
      <Loaded query={query}>
        {({ keys }) =>
          keys.length === 0 ? <Empty icon={KeyRound} title={text.emptyTitle} action={add} /> : (
            <Table
              label={text.title}
              rows={keys}
              idOf={({ id }) => id}
              columns={[
                { title: words.app.name, cell: ({ id, name }) => name || id },
                { title: text.user, cell: ({ user_id }) => user_id },
                { title: text.scopes, cell: ({ scopes }) => scopes.join(", ") },
                { title: words.app.status, cell: (key) => <State value={key} /> },
                { title: text.used, cell: ({ last_used_at }) => <Time at={last_used_at} /> },
                { title: text.expires, isLess: true, cell: ({ expires_at }) => <Time at={expires_at} /> },
                {
                  title: words.app.actions,
                  isUntitled: true,
                  isNumber: true,
                  cell: (key) =>
                    key.revoked_at === null && (
                      <Button size="small" onClick={() => setRevoking(key)}>{text.revoke}</Button>
                    )
                }
              ]}
            />
          )}
      </Loaded>
      {isAdding && <AddKey onClose={() => setAdding(false)} />}
      <Confirm
        isOpen={revoking !== undefined}
        onClose={() => setRevoking(undefined)}
        title={text.revokeWhat(revoking?.name || revoking?.id || "")}
        about={text.revokeAbout}
        action={text.revoke}
        isBusy={revoke.isPending}
        onConfirm={() => revoking !== undefined && revoke.mutate(revoking)}
      />
    </Page>
  )
}

export default Keys
