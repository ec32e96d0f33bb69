import { useQuery } from "@tanstack/react-query"
import { Plug, Trash2, Zap } from "lucide-react"
import { useState } from "react"
import { api } from "../../api/Api.ts"
import type { Answer } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"

const text = words.mcp

export type Server = Answer<"mcpServers", "library">[number]

export const libraryQuery = { queryKey: ["mcp", "library"], queryFn: () => api.mcpServers.library() }

/** How a server is reached, in one line. */
export const reachedBy = ({ mcp_config: config }: Pick<Server, "mcp_config">): string =>
  config === null ? "–" : "url" in config ? config.url : [config.command, ...config.args ?? []].join(" ")

const Remove = ({ server: { display_name, id, name } }: { readonly server: Server }) => {
  const [isAsking, setAsking] = useState(false)
  const remove = useChange({
    run: () => api.mcpServers.removeFromLibrary({ path: { mcp_id: id } }),
    changes: ["mcp"],
    done: words.app.removed
  })
  return (
    <>
      <IconButton icon={Trash2} label={`${words.app.remove}: ${name}`} onClick={() => setAsking(true)} />
      <Confirm
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={words.app.removeWhat(display_name || name)}
        action={words.app.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const One = ({ server }: { readonly server: Server }) => {
  const path = { mcp_id: server.id }
  const test = useChange({ run: () => api.mcpServers.test({ path, urlParams: {} }) })
  const turn = useChange({
    run: () => api.mcpServers.change({ path, payload: { enabled: !server.enabled } }),
    changes: ["mcp"]
  })
  const authorize = useChange({
    run: () => api.mcpServers.authorizeInLibrary({ path }),
    next: ({ authorization_url }) =>
      authorization_url !== null && void window.open(authorization_url, "_blank", "noopener")
  })
  return (
    <li className="flex flex-col gap-2 rounded-lg border border-line bg-panel px-4 py-3">
      <div className="flex flex-wrap items-center gap-2">
        <h2 className="font-semibold">{server.display_name || server.name}</h2>
        <Badge tone={server.enabled ? "ok" : "plain"}>{server.enabled ? text.enabled : text.disabled}</Badge>
        {server.authorization === "needs_authorization" && <Badge tone="warn">{text.needs}</Badge>}
        {server.authorization === "authorized" && <Badge tone="ok">{text.authorized}</Badge>}
        <span className="flex-1" />
        {server.authorization === "needs_authorization" && (
          <Button
            size="small"
            isBusy={authorize.isPending}
            onClick={() => authorize.mutate()}
          >
            {text.authorize}
          </Button>
        )}
        <Button size="small" icon={Zap} isBusy={test.isPending} onClick={() => test.mutate()}>{text.test}</Button>
        {server.editable && (
          <>
            <Button size="small" isBusy={turn.isPending} onClick={() => turn.mutate()}>
              {server.enabled ? text.turnOff : text.turnOn}
            </Button>
            <Remove server={server} />
          </>
        )}
      </div>
      {server.description !== "" && <p className="text-sm">{server.description}</p>}
      <p className="font-mono text-xs break-all text-muted">{reachedBy(server)}</p>
      <div aria-live="polite">
        {test.data?.success === true && (
          <details className="text-sm">
            <summary className="text-ok">{text.works(test.data.tool_count)}</summary>
            <ul className="mt-2 flex flex-col gap-1">
              {test.data.tools.map(({ description, name }) => (
                <li key={name}>
                  <span className="font-mono text-xs font-medium">{name}</span>{" "}
                  <span className="text-muted">{description}</span>
                </li>
              ))}
            </ul>
          </details>
        )}
        {test.data?.success === false && <Notice kind="bad">{test.data.error}</Notice>}
      </div>
    </li>
  )
}

export const Library = ({ onAdd }: { readonly onAdd: () => void }) => (
  <Loaded query={useQuery(libraryQuery)}>
    {(servers) =>
      servers.length === 0
        ? (
          <Empty
            icon={Plug}
            title={text.emptyTitle}
            action={<Button look="primary" onClick={onAdd}>{text.add}</Button>}
          >
            {text.emptyAbout}
          </Empty>
        )
        : (
          <ul className="flex flex-col gap-3">
            {servers.map((server) => <One key={server.id} server={server} />)}
          </ul>
        )}
  </Loaded>
)
