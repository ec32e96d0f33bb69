import { useQuery } from "@tanstack/react-query"
import { Plug, RefreshCw, Trash2 } from "lucide-react"
import { api } from "../../api/Api.ts"
import type { Answer } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { SessionPicker, useNewestSessions } from "../../pickers/SessionPicker.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Menu } from "../../ui/Menu.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"
import { libraryQuery, reachedBy } from "./Library.tsx"

const text = words.mcp

type Server = Answer<"mcpServers", "inWorkspace">[number]
type Change = Server["changes"][number]

const pretty = (definition: unknown) => JSON.stringify(definition, null, 2)

/** What a tool said of itself before, and what it says now. */
const ToolChange = (
  { change, isBusy, onApprove }: {
    readonly change: Change
    readonly isBusy: boolean
    readonly onApprove: () => void
  }
) => (
  <details className="rounded-md border border-line">
    <summary className="px-3 py-2 text-sm">
      <span className="font-mono font-medium">{change.name}</span>{" "}
      <Badge tone="warn">{text.changes[change.change]}</Badge>
    </summary>
    <div className="flex flex-col gap-2 px-3 pb-3">
      <div className="grid gap-2 md:grid-cols-2">
        {change.before !== null && (
          <div>
            <p className="mb-1 text-xs text-muted">{text.before}</p>
            <CodeBlock text={pretty(change.before)} label={`${text.before}: ${change.name}`} />
          </div>
        )}
        {change.after !== null && (
          <div>
            <p className="mb-1 text-xs text-muted">{text.after}</p>
            <CodeBlock text={pretty(change.after)} label={`${text.after}: ${change.name}`} />
          </div>
        )}
      </div>
      <Button size="small" className="self-start" isBusy={isBusy} onClick={onApprove}>{text.approve}</Button>
    </div>
  </details>
)

const One = ({ server, session_id }: { readonly server: Server; readonly session_id: string }) => {
  const place = { path: { mcp_name: server.name }, urlParams: { session_id } }
  const changes = ["mcp"]
  const refresh = useChange({ run: () => api.mcpServers.refresh(place), changes })
  const remove = useChange({ run: () => api.mcpServers.remove(place), changes, done: words.app.removed })
  const approve = useChange({
    run: ({ after, name }: Change) =>
      // What is gone goes with any approval.
      api.mcpServers.approve({ ...place, payload: { tools: after === null ? {} : { [name]: after.digest } } }),
    changes,
    done: text.approved
  })
  return (
    <li className="flex flex-col gap-2 rounded-lg border border-line bg-panel px-4 py-3">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="font-semibold">{server.name}</h2>
        <Badge tone={server.is_healthy ? "ok" : "bad"}>{server.is_healthy ? text.healthy : text.unhealthy}</Badge>
        {server.changes.length > 0 && <Badge tone="warn">{text.changed(server.changes.length)}</Badge>}
        <span className="flex-1" />
        <Button size="small" icon={RefreshCw} isBusy={refresh.isPending} onClick={() => refresh.mutate()}>
          {text.refresh}
        </Button>
        <IconButton
          icon={Trash2}
          label={`${words.app.remove}: ${server.name}`}
          disabled={remove.isPending}
          onClick={() => remove.mutate()}
        />
      </div>
      <p className="font-mono text-xs break-all text-muted">{reachedBy(server)}</p>
      {server.error !== null && <Notice kind="bad">{server.error}</Notice>}
      {server.changes.length > 0 && (
        <>
          <Notice kind="warn">{text.changedAbout}</Notice>
          {server.changes.map((change) => (
            <ToolChange
              key={change.name}
              change={change}
              isBusy={approve.isPending}
              onApprove={() => approve.mutate(change)}
            />
          ))}
        </>
      )}
      <details className="text-sm">
        <summary>{text.tools} ({server.tools.length})</summary>
        <ul className="mt-2 flex flex-col gap-1">
          {server.tools.map(({ description, name }) => (
            <li key={name}>
              <span className="font-mono text-xs font-medium">{name}</span>{" "}
              <span className="text-muted">{description}</span>
            </li>
          ))}
        </ul>
      </details>
    </li>
  )
}

const FromLibrary = ({ session_id }: { readonly session_id: string }) => {
  const { data = [] } = useQuery(libraryQuery)
  const add = useChange({
    run: (mcp_id: string) =>
      api.mcpServers.addFromLibrary({ urlParams: { session_id }, payload: { mcp_ids: [mcp_id] } }),
    changes: ["mcp"]
  })
  return (
    <Menu
      items={data.map(({ display_name, id, name }) => ({
        label: display_name || name,
        onSelect: () => add.mutate(id)
      }))}
    >
      <Button isBusy={add.isPending} disabled={data.length === 0}>{text.fromLibrary}</Button>
    </Menu>
  )
}

export const InWorkspace = () => {
  const [chosen, setChosen] = useWord("session")
  const sessions = useNewestSessions()
  const session_id = chosen || sessions.data?.sessions[0]?.id || ""
  const query = useQuery({
    queryKey: ["mcp", "workspace", session_id],
    queryFn: () => api.mcpServers.inWorkspace({ urlParams: { session_id } }),
    enabled: session_id !== ""
  })
  return (
    <Loaded query={sessions}>
      {({ sessions }) =>
        sessions.length === 0 ? <Empty icon={Plug} title={text.noSessions} /> : (
          <div className="flex flex-col gap-4">
            <div className="flex flex-wrap items-start justify-between gap-3">
              <div className="w-96 max-w-full">
                <SessionPicker value={session_id} onChange={setChosen} />
              </div>
              <FromLibrary session_id={session_id} />
            </div>
            <Loaded query={query}>
              {(servers) =>
                servers.length === 0
                  ? <Empty icon={Plug} title={text.emptyTitle}>{text.notHere}</Empty>
                  : (
                    <ul className="flex flex-col gap-3">
                      {servers.map((server) => <One key={server.name} server={server} session_id={session_id} />)}
                    </ul>
                  )}
            </Loaded>
          </div>
        )}
    </Loaded>
  )
}
