import { useSyncExternalStore } from "react"
import { language, words } from "../words/words.ts"

const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" })
const whole = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" })

const units: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1]
]

export const agoOf = (seconds: number): string => {
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1]
  return relative.format(Math.round(seconds / size), unit)
}

/** One timer for all times on the page. */
const every = 15_000
let now = Date.now()
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const listener of listeners) listener()
  }, every)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** How long ago something was, or how far off it is; the whole time is its title. */
export const Time = ({ at }: { readonly at: string | null | undefined }) => {
  useSyncExternalStore(subscribe, () => now)
  if (at === null || at === undefined) return <span className="text-muted">{words.app.never}</span>
  const date = new Date(at)
  return (
    <time dateTime={at} title={whole.format(date)} className="whitespace-nowrap">
      {agoOf((date.getTime() - Date.now()) / 1000)}
    </time>
  )
}

export const wholeTime = (at: string): string => whole.format(new Date(at))
