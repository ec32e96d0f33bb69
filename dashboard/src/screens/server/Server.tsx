import { useQuery } from "@tanstack/react-query"
import { RefreshCw } from "lucide-react"
import { api } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { whole } from "../../ui/Numbers.ts"
import { Page, Panel } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { tell } from "../../ui/Toasts.ts"
import { words } from "../../words/words.ts"

const text = words.admin.server

const Vault = () => {
  const query = useQuery({
    queryKey: ["vault"],
    queryFn: () => api.vault.status(),
    refetchInterval: ({ state }) => state.data?.rotation?.state === "running" ? 1_000 : false
  })
  const rotate = useChange({ run: () => api.vault.rotate(), changes: ["vault"] })
  const retire = useChange({ run: () => api.vault.retire(), changes: ["vault"] })
  const isRotating = query.data?.rotation?.state === "running"
  return (
    <Panel
      title={text.vault}
      actions={
        <>
          <Button size="small" isBusy={retire.isPending} onClick={() => retire.mutate()}>{text.retire}</Button>
          <Button size="small" isBusy={rotate.isPending || isRotating} onClick={() => rotate.mutate()}>
            {isRotating ? text.rotating : text.rotate}
          </Button>
        </>
      }
    >
      <Loaded query={query} rows={2}>
        {({ keys, source, unreadable }) => (
          <div className="flex flex-col gap-3">
            <p className="text-sm text-muted">
              {text.vaultAbout} {text.rotateAbout} {text.source}: {text.sources[source]}.
            </p>
            {unreadable !== null && unreadable > 0 && <Notice kind="bad">{text.unreadable(unreadable)}</Notice>}
            <Table
              label={text.vault}
              rows={keys}
              idOf={({ id }) => id}
              columns={[
                { title: text.key, cell: ({ id }) => <span className="font-mono text-xs">{id}</span> },
                {
                  title: words.app.status,
                  cell: ({ hashes, seals }) => (
                    <span className="flex gap-1">
                      {seals && <Badge tone="ok">{text.seals}</Badge>}
                      {hashes && <Badge>{text.hashes}</Badge>}
                    </span>
                  )
                },
                { title: text.secrets, isNumber: true, cell: ({ secrets }) => secrets === null ? "–" : whole(secrets) }
              ]}
            />
          </div>
        )}
      </Loaded>
    </Panel>
  )
}

const Definitions = () => {
  const reload = useChange({
    run: () => api.admin.reload(),
    changes: ["agents", "skills"],
    next: ({ agents, skills, tools }) => tell({ kind: "ok", text: text.reloaded(agents, tools, skills) })
  })
  return (
    <Panel
      title={text.definitions}
      actions={
        <Button size="small" icon={RefreshCw} isBusy={reload.isPending} onClick={() => reload.mutate()}>
          {text.reload}
        </Button>
      }
    >
      <p className="text-sm text-muted">{text.definitionsAbout}</p>
    </Panel>
  )
}

const Server = () => (
  <Page title={text.title} about={text.about}>
    <div className="flex flex-col gap-4">
      <Vault />
      <Definitions />
      <Panel title={text.doctor}>
        <p className="mb-2 text-sm text-muted">{text.doctorAbout}</p>
        <CodeBlock text="stoa doctor" label={text.doctor} />
      </Panel>
    </div>
  </Page>
)

export default Server
