import { useInfiniteQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { Braces, Download, Ellipsis, MessageSquare, MessagesSquare, Pencil, Search, Trash2 } from "lucide-react"
import { useDeferredValue, useState } from "react"
import { api, client } from "../../api/Api.ts"
import { type Answer, useAgents } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { Badge } from "../../ui/Badge.tsx"
import { Button, buttonLook, IconButton } from "../../ui/Button.tsx"
import { Confirm } from "../../ui/Dialog.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Input } from "../../ui/Field.tsx"
import { Failure } from "../../ui/Loaded.tsx"
import { Menu } from "../../ui/Menu.tsx"
import { Page } from "../../ui/Page.tsx"
import { plain } from "../../ui/Plain.ts"
import { Skeleton } from "../../ui/Skeleton.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { exportSession } from "./Export.ts"
import { Rename } from "./Rename.tsx"

const text = words.sessions

/** Sessions of one page, and how often the list is read again, in milliseconds. */
const pageSize = 50
const every = 10_000

type Session = Answer<"sessions", "list">["sessions"][number]

const tones = {
  idle: "plain",
  running: "accent",
  awaiting_permission: "warn",
  awaiting_external_result: "warn"
} as const

const Actions = ({ session: { config: { name }, id } }: { readonly session: Session }) => {
  const [open, setOpen] = useState<"name" | "remove">()
  const close = () => setOpen(undefined)
  const remove = useChange({
    run: () => client.sessions.remove(id),
    changes: ["sessions", "runs"],
    done: words.chat.removed,
    next: close
  })
  return (
    <>
      <Menu
        items={[
          { icon: Pencil, label: words.chat.rename, onSelect: () => setOpen("name") },
          {
            icon: Download,
            label: words.chat.exportMarkdown,
            onSelect: () => void exportSession(id, "markdown", name)
          },
          { icon: Braces, label: words.chat.exportJson, onSelect: () => void exportSession(id, "json", name) },
          {
            icon: Trash2,
            label: words.chat.remove,
            onSelect: () => setOpen("remove"),
            isDangerous: true,
            isFirstOfGroup: true
          }
        ]}
      >
        <IconButton icon={Ellipsis} label={words.chat.sessionActions} />
      </Menu>
      {open === "name" && <Rename session_id={id} name={name} onClose={close} />}
      <Confirm
        isOpen={open === "remove"}
        onClose={close}
        title={words.app.removeWhat(name)}
        action={words.chat.remove}
        isBusy={remove.isPending}
        onConfirm={() => remove.mutate()}
      />
    </>
  )
}

const List = () => {
  const [sought, seek] = useWord("q")
  const q = useDeferredValue(sought.trim())
  const agents = useAgents().data?.agents ?? []
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ["sessions", "list", q],
    queryFn: ({ pageParam, signal }) =>
      api.sessions.list({
        urlParams: { limit: pageSize, ...(q !== "" && { q }), ...(pageParam !== "" && { cursor: pageParam }) },
        signal
      }),
    initialPageParam: "",
    getNextPageParam: ({ next_cursor }) => next_cursor,
    refetchInterval: every
  })
  const sessions = data?.pages.flatMap(({ sessions }) => sessions)
  const begin = <Link to="/chat" className={buttonLook("primary")}>{text.startChat}</Link>
  return (
    <Page title={text.title} about={text.about} actions={begin}>
      <div className="relative mb-3 max-w-md">
        <Search aria-hidden className="absolute top-2.5 left-2.5 size-3.5 text-muted" />
        <Input
          type="search"
          aria-label={text.search}
          placeholder={text.search}
          className="pl-8"
          value={sought}
          onChange={(event) => seek(event.target.value)}
        />
      </div>
      {sessions === undefined && (error === null ? <Skeleton rows={6} /> : (
        <Failure
          error={error}
          action={<Button size="small" onClick={() => void refetch()}>{words.app.tryAgain}</Button>}
        />
      ))}
      {sessions?.length === 0 && !hasNextPage && (q === ""
        ? <Empty icon={MessagesSquare} title={text.emptyTitle} action={begin}>{text.emptyAbout}</Empty>
        : <Empty icon={Search} title={text.foundNothing}>{text.foundNothingAbout}</Empty>)}
      {sessions !== undefined && sessions.length > 0 && (
        <Table
          label={text.title}
          rows={sessions}
          idOf={({ id }) => id}
          to={({ id }) => `/chat/${id}`}
          columns={[
            {
              title: words.app.name,
              cell: ({ config, id }) => (
                <span className="inline-flex max-w-96 items-center gap-2 align-middle">
                  <MessageSquare aria-hidden className="size-3.5 shrink-0 text-muted" />
                  <span dir="auto" className="truncate">{plain(config.name) || id}</span>
                </span>
              )
            },
            {
              title: text.agent,
              isLess: true,
              cell: ({ agent_id }) => agents.find(({ id }) => id === agent_id)?.data.name ?? "–"
            },
            { title: words.chat.model, isLess: true, cell: ({ config }) => config.chat_model_config?.model ?? "–" },
            {
              title: words.app.status,
              cell: ({ status }) => <Badge tone={tones[status]}>{text.statuses[status]}</Badge>
            },
            { title: text.source, isLess: true, cell: ({ source }) => text.sources[source] },
            { title: words.app.updated, cell: ({ updated_at }) => <Time at={updated_at} /> },
            {
              title: words.app.actions,
              isUntitled: true,
              isNumber: true,
              cell: (session) => <Actions session={session} />
            }
          ]}
        />
      )}
      {hasNextPage && (
        <div className="mt-3 flex justify-center">
          <Button isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{words.app.more}</Button>
        </div>
      )}
    </Page>
  )
}

export default List
