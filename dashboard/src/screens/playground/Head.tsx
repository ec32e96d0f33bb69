/** Above the chat: which session this is, who answers, and what can be done with it. */
import { useQuery } from "@tanstack/react-query"
import { useNavigate } from "@tanstack/react-router"
import { Braces, Download, Ellipsis, PanelRight, Pencil, SlidersHorizontal, Trash2 } from "lucide-react"
import { useState } from "react"
import type { LiveSession } from "stoa/client/React.ts"
import { api, client } from "../../api/Api.ts"
import { useAgents } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { type ModelConfig, ModelPicker } from "../../pickers/ModelPicker.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Confirm, Dialog } from "../../ui/Dialog.tsx"
import { Menu } from "../../ui/Menu.tsx"
import { short } from "../../ui/Numbers.ts"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"
import { exportSession } from "../sessions/Export.ts"
import { Rename } from "../sessions/Rename.tsx"

const text = words.chat

const ModelDialog = (
  { config, onClose, session_id }: {
    readonly session_id: string
    readonly config: ModelConfig | null
    readonly onClose: () => void
  }
) => {
  const [chosen, setChosen] = useState(config)
  const { isPending, mutate } = useChange({
    run: () =>
      client.open("PATCH", `/sessions/${encodeURIComponent(session_id)}`, { body: { chat_model_config: chosen } }),
    changes: ["sessions"],
    next: onClose
  })
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={text.model}
      actions={
        <>
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button
            look="primary"
            isBusy={isPending}
            disabled={chosen === null || chosen.model === ""}
            onClick={() => mutate()}
          >
            {words.app.save}
          </Button>
        </>
      }
    >
      <ModelPicker value={chosen} onChange={setChosen} />
    </Dialog>
  )
}

interface HeadProps {
  readonly session: LiveSession
  readonly hasEvents: boolean
  readonly onEvents: () => void
}

export const Head = ({ hasEvents, onEvents, session }: HeadProps) => {
  const { session_id, usage } = session
  const navigate = useNavigate()
  const [open, setOpen] = useState<"model" | "name" | "remove">()
  const close = () => setOpen(undefined)
  const { data } = useQuery({
    queryKey: ["sessions", session_id],
    queryFn: () => api.sessions.get({ path: { session_id }, urlParams: {} })
  })
  const agents = useAgents().data?.agents
  const agent = agents?.find(({ id }) => id === data?.agent_id)
  const remove = useChange({
    run: () => client.sessions.remove(session_id),
    changes: ["sessions"],
    done: text.removed,
    next: () => void navigate({ to: "/chat" })
  })
  return (
    <header className="flex min-h-12 items-center gap-2 border-b border-line px-4 md:px-6">
      <div className="min-w-0 flex-1">
        <h1 dir="auto" className="truncate text-sm font-semibold">{plain(data?.config.name ?? text.title)}</h1>
        <p className="flex items-center gap-1.5 truncate text-xs text-muted">
          <span>{plain(agent?.data.name ?? "")}</span>
          {data?.config.chat_model_config != null && (
            <>
              <span aria-hidden>·</span>
              <span>{data.config.chat_model_config.model}</span>
            </>
          )}
        </p>
      </div>
      {usage.output_tokens > 0 && (
        <span className="max-sm:hidden">
          <Badge>{text.tokens(short(usage.input_tokens), short(usage.output_tokens))}</Badge>
        </span>
      )}
      <Button size="small" icon={SlidersHorizontal} onClick={() => setOpen("model")} disabled={data === undefined}>
        {text.model}
      </Button>
      <IconButton icon={PanelRight} label={text.events} isPressed={hasEvents} onClick={onEvents} />
      <Menu
        items={[
          { icon: Pencil, label: text.rename, onSelect: () => setOpen("name") },
          {
            icon: Download,
            label: text.exportMarkdown,
            onSelect: () => void exportSession(session_id, "markdown", data?.config.name ?? session_id)
          },
          {
            icon: Braces,
            label: text.exportJson,
            onSelect: () => void exportSession(session_id, "json", data?.config.name ?? session_id)
          },
          {
            icon: Trash2,
            label: text.remove,
            onSelect: () => setOpen("remove"),
            isDangerous: true,
            isFirstOfGroup: true
          }
        ]}
      >
        <IconButton icon={Ellipsis} label={text.sessionActions} />
      </Menu>
      {open === "model" && data !== undefined && (
        <ModelDialog session_id={session_id} config={data.config.chat_model_config} onClose={close} />
      )}
      {open === "name" && <Rename session_id={session_id} name={data?.config.name ?? ""} onClose={close} />}
      <Confirm
        isOpen={open === "remove"}
        onClose={close}
        title={words.app.removeWhat(data?.config.name ?? session_id)}
        action={text.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </header>
  )
}
