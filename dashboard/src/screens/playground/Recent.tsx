/** The newest sessions beside the chat, to go on with. */
import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { Plus } from "lucide-react"
import { api } from "../../api/Api.ts"
import { buttonLook } from "../../ui/Button.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"

const text = words.chat

/** Sessions in the list, and how often it is read again, in milliseconds. */
const most = 30
const every = 10_000

export const Recent = () => {
  const { data } = useQuery({
    queryKey: ["sessions", "recent"],
    queryFn: () => api.sessions.list({ urlParams: { limit: most } }),
    refetchInterval: every
  })
  return (
    <nav
      aria-label={text.recent}
      className="flex w-56 shrink-0 flex-col gap-0.5 overflow-y-auto border-r border-line px-2 py-3 max-xl:hidden"
    >
      <Link to="/chat" className={`${buttonLook()} mb-2 w-full`}>
        <Plus aria-hidden className="size-3.5" />
        {text.newTitle}
      </Link>
      <h2 className="px-2 py-1 text-xs font-medium text-muted">{text.recent}</h2>
      {data?.sessions.length === 0 && <p className="px-2 text-xs text-muted">{text.noRecent}</p>}
      {data?.sessions.map(({ config, id, status }) => (
        <Link
          key={id}
          to={`/chat/${id}`}
          className="flex items-center gap-2 rounded-md px-2 py-1.5 text-sm text-text no-underline hover:bg-sunken"
          activeProps={{ className: "bg-accent-soft font-medium" }}
        >
          <span dir="auto" className="min-w-0 flex-1 truncate">{plain(config.name) || id}</span>
          {status !== "idle" && (
            <span
              role="img"
              aria-label={words.sessions.statuses[status]}
              title={words.sessions.statuses[status]}
              className={`size-2 shrink-0 rounded-full ${status === "running" ? "waits bg-accent" : "bg-warn"}`}
            />
          )}
        </Link>
      ))}
      <Link to="/sessions" className="px-2 pt-2 text-xs">{text.allSessions}</Link>
    </nav>
  )
}
