/** The session's log as it is, for those who build on it. It reads on while it is open. */
import { useVirtualizer } from "@tanstack/react-virtual"
import { useEffect, useRef, useState } from "react"
import type { Seen } from "stoa/client/Client.ts"
import { client } from "../../api/Api.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { CloseButton } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"

const text = words.chat

/** Events that are kept, and how far back of the last one it begins. */
const most = 2_000
const back = 500

/** Characters of one event that are shown in its line, and in whole. */
const inLine = 160
const inWhole = 20_000

const useEvents = (session_id: string, from: number | undefined) => {
  const [events, setEvents] = useState<ReadonlyArray<Seen>>([])
  const [error, setError] = useState<unknown>()
  useEffect(() => {
    const leaving = new AbortController()
    let waiting: Array<Seen> = []
    const flush = () => {
      const fresh = waiting
      waiting = []
      if (fresh.length > 0) setEvents((before) => [...before, ...fresh].slice(-most))
    }
    const timer = setInterval(flush, 100)
    const follow = async () => {
      const after = Math.max(0, (from ?? 0) - back)
      for await (const event of client.attach(session_id, { after, signal: leaving.signal })) {
        waiting.push(event)
        if (waiting.length > most) waiting.shift()
      }
    }
    follow().catch((cause: unknown) => {
      if (!leaving.signal.aborted) setError(cause)
    })
    return () => {
      leaving.abort()
      clearInterval(timer)
      setEvents([])
    }
    // It begins once, and goes on by itself.
  }, [session_id])
  return { error, events }
}

const nameOf = (event: Seen) => event.type === "CUSTOM" ? event.name : event.type

const contentOf = ({ seq: _, ...event }: Seen): string => JSON.stringify(event)

export interface EventsProps {
  readonly session_id: string
  readonly from: number | undefined
  readonly onClose: () => void
}

export const Events = ({ from, onClose, session_id }: EventsProps) => {
  const { error, events } = useEvents(session_id, from)
  const [chosen, setChosen] = useState<Seen>()
  const scroller = useRef<HTMLDivElement>(null)
  const virtual = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 26,
    overscan: 20
  })
  useEffect(() => {
    if (chosen === undefined && events.length > 0) virtual.scrollToIndex(events.length - 1)
  }, [chosen, events.length, virtual])
  return (
    <aside
      aria-label={text.events}
      onKeyDown={(event) => event.key === "Escape" && onClose()}
      className="flex w-[26rem] max-w-full shrink-0 flex-col border-l border-line bg-panel max-lg:absolute max-lg:inset-y-0 max-lg:right-0 max-lg:z-20"
    >
      <header className="flex items-start gap-2 border-b border-line px-4 py-2.5">
        <div className="flex-1">
          <h2 className="text-sm font-semibold">{text.events}</h2>
          <p className="text-xs text-muted">{text.eventsAbout}</p>
        </div>
        <CloseButton label={text.closeEvents} onClick={onClose} autoFocus />
      </header>
      {error !== undefined && <Notice kind="bad">{sentenceOf(error)}</Notice>}
      <div ref={scroller} className="min-h-0 flex-1 overflow-y-auto py-1">
        {events.length === 0 && error === undefined && <p className="px-4 py-2 text-xs text-muted">{text.noEvents}</p>}
        <div className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, key, start }) => {
            const event = events[index]
            return event === undefined ? null : (
              <button
                key={key}
                type="button"
                aria-pressed={chosen?.seq === event.seq}
                onClick={() => setChosen(chosen?.seq === event.seq ? undefined : event)}
                className="absolute left-0 flex h-[26px] w-full items-center gap-2 px-4 text-left font-mono text-xs hover:bg-sunken aria-pressed:bg-accent-soft"
                style={{ transform: `translateY(${start}px)` }}
              >
                <span className="w-12 shrink-0 text-right text-muted tabular-nums">{event.seq}</span>
                <span className="shrink-0">{plain(nameOf(event).slice(0, 40))}</span>
                <span dir="ltr" className="min-w-0 flex-1 truncate text-muted">
                  {"delta" in event ? plain(String(event.delta).slice(0, inLine)) : ""}
                </span>
              </button>
            )
          })}
        </div>
      </div>
      {chosen !== undefined && (
        <CodeBlock
          className="m-3 max-h-1/2"
          label={`${nameOf(chosen)} ${chosen.seq}`}
          text={plain(JSON.stringify(JSON.parse(contentOf(chosen)), null, 2).slice(0, inWhole))}
        />
      )}
    </aside>
  )
}
