/** The messages of a session, of which those in sight are in the page. It stays at the end until the reader leaves it. */
import { useVirtualizer } from "@tanstack/react-virtual"
import { ArrowDown } from "lucide-react"
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react"
import type { LiveSession } from "stoa/client/React.ts"
import { Button } from "../../ui/Button.tsx"
import { words } from "../../words/words.ts"
import { Said } from "./Said.tsx"

const text = words.chat

/** What a message is thought to be high before it is measured, and how near to the end counts as being there, in pixels. */
const guess = 120
const nearEnd = 60

/** How near to the beginning older messages are asked for. */
const nearStart = 400

export interface TranscriptProps {
  readonly session: LiveSession
  /** What stands behind the last message: a question, for example. */
  readonly children: ReactNode
}

export const Transcript = ({ children, session }: TranscriptProps) => {
  const { hasOlder, isLoadingOlder, loadOlder, messages, run, session_id } = session
  const scroller = useRef<HTMLDivElement>(null)
  const end = useRef<HTMLDivElement>(null)
  const isFollowing = useRef(true)
  const [isAway, setAway] = useState(false)
  const virtual = useVirtualizer({
    count: messages.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => guess,
    getItemKey: (place) => messages[place]?.id ?? place,
    overscan: 6
  })

  const toEnd = () => {
    const { current } = scroller
    if (current !== null) current.scrollTop = current.scrollHeight
  }

  // What has come before the first message moves all others; the reader stays where they were.
  const first = messages[0]?.id
  const before = useRef({ first, height: 0 })
  useLayoutEffect(() => {
    const { current } = scroller
    if (current === null) return
    const { first: old, height } = before.current
    const isPrepended = old !== undefined && old !== first && messages.some(({ id }) => id === old)
    if (isPrepended && !isFollowing.current) current.scrollTop += current.scrollHeight - height
    before.current = { first, height: current.scrollHeight }
  }, [first])

  useEffect(() => {
    const inside = scroller.current?.firstElementChild
    if (inside == null) return
    const watcher = new ResizeObserver(() => {
      if (isFollowing.current) toEnd()
    })
    watcher.observe(inside)
    return () => watcher.disconnect()
  }, [])

  const onScroll = () => {
    const { current } = scroller
    if (current === null) return
    const isAtEnd = current.scrollHeight - current.scrollTop - current.clientHeight < nearEnd
    isFollowing.current = isAtEnd
    setAway(!isAtEnd)
    if (current.scrollTop < nearStart && hasOlder && !isLoadingOlder) void loadOlder().catch(() => {})
  }

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        onScroll={onScroll}
        onWheel={(event) => {
          // Whoever turns back is not held.
          if (event.deltaY < 0) isFollowing.current = false
        }}
        tabIndex={0}
        role="region"
        aria-label={text.title}
        className="h-full overflow-y-auto [overflow-anchor:none]"
      >
        <div className="py-4">
          {hasOlder && (
            <div className="flex justify-center pb-2">
              <Button
                size="small"
                look="quiet"
                isBusy={isLoadingOlder}
                onClick={() => void loadOlder().catch(() => {})}
              >
                {text.older}
              </Button>
            </div>
          )}
          <div className="relative" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map(({ index, key, start }) => {
              const message = messages[index]
              return message === undefined ? null : (
                <div
                  key={key}
                  ref={virtual.measureElement}
                  data-index={index}
                  className="absolute top-0 left-0 w-full"
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <Said
                    message={message}
                    session_id={session_id}
                    isLive={message.finished_at === null && run !== undefined}
                  />
                </div>
              )
            })}
          </div>
          {children}
          <div ref={end} />
        </div>
      </div>
      {isAway && (
        <Button
          icon={ArrowDown}
          size="small"
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-(--shadow)"
          onClick={() => {
            isFollowing.current = true
            toEnd()
          }}
        >
          {text.toEnd}
        </Button>
      )}
    </div>
  )
}
