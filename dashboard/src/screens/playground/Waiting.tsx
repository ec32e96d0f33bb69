/** Inputs that are on their way, and those that wait for the run before them. */
import { Clock, X } from "lucide-react"
import { textOf } from "stoa/client/Client.ts"
import type { LiveSession } from "stoa/client/React.ts"
import { useChange } from "../../api/Queries.ts"
import { IconButton } from "../../ui/Button.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"

const text = words.chat

/** Characters of a waiting input that are shown. */
const shown = 200

const saidIn = (input: LiveSession["sending"][number]["input"]): string => typeof input === "string" ? input : ""

export const Waiting = ({ session: { cancel, queue, sending } }: { readonly session: LiveSession }) => {
  const stop = useChange({ run: cancel })
  if (queue.length === 0 && sending.length === 0) return null
  return (
    <section aria-label={text.queue} className="mx-auto w-full max-w-3xl px-4 pb-2 md:px-6">
      <ul className="flex flex-col gap-1">
        {queue.map(({ input, run_id }) => {
          const said = input.map(({ content }) => textOf(content)).join(" ")
          return (
            <li
              key={run_id}
              className="flex items-center gap-2 rounded-md border border-dashed border-line px-2.5 py-1 text-xs text-muted"
            >
              <Clock aria-hidden className="size-3.5 shrink-0" />
              <span className="sr-only">{text.queue}</span>
              <span dir="auto" className="min-w-0 flex-1 truncate">{plain(said.slice(0, shown)) || text.noText}</span>
              <IconButton icon={X} label={words.runs.cancel} className="size-5" onClick={() => stop.mutate(run_id)} />
            </li>
          )
        })}
        {sending.map(({ input, key }) => (
          <li key={key} className="waits flex items-center gap-2 px-2.5 py-1 text-xs text-muted">
            <span className="shrink-0">{text.sending}</span>
            <span dir="auto" className="min-w-0 flex-1 truncate">{plain(saidIn(input).slice(0, shown))}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}
