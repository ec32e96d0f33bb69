import { useEffect, useRef } from "react"
import UPlot from "uplot"
import { useTheme } from "../../app/Theme.ts"
import { short } from "../../ui/Numbers.ts"
import { language, words } from "../../words/words.ts"

const text = words.usage

export interface Day {
  /** `2026-03-01` */
  readonly day: string
  readonly input: number
  readonly output: number
}

const height = 220

const colour = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** What `light-dark()` gives now: a canvas does not know it. */
const resolved = (name: string): string => {
  const probe = document.createElement("span")
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const value = getComputedStyle(probe).color
  probe.remove()
  return value || colour(name)
}

const dayFormat = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" })

const dayOf = (seconds: number): string => dayFormat.format(new Date(seconds * 1000))

const optionsFor = (width: number, days: ReadonlyArray<Day>): UPlot.Options => {
  const axis = { stroke: resolved("--muted"), grid: { stroke: resolved("--line"), width: 1 }, ticks: { show: false } }
  const bars = UPlot.paths.bars?.({ size: [0.7, 40] })
  // The bars stand upon each other; the legend says what each of them has.
  const series = (label: string, fill: string, valueOf: (day: Day) => number): UPlot.Series => ({
    label,
    fill,
    stroke: fill,
    width: 0,
    points: { show: false },
    value: (_, __, ___, index) => {
      const day = index === null ? undefined : days[index]
      return day === undefined ? "–" : short(valueOf(day))
    },
    ...bars !== undefined && { paths: bars }
  })
  return {
    width,
    height,
    legend: { show: true },
    cursor: { points: { show: false } },
    scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [{ ...axis, values: (_, values) => values.map(dayOf) }, {
      ...axis,
      size: 56,
      values: (_, values) => values.map(short)
    }],
    series: [
      { label: text.groups.day, value: (_, value) => value === null || value === undefined ? "–" : dayOf(value) },
      series(text.input, resolved("--accent"), ({ input }) => input),
      series(text.output, resolved("--ok"), ({ output }) => output)
    ]
  }
}

/** Tokens by day. Those who do not see it find the numbers in the table. */
export const Chart = ({ days }: { readonly days: ReadonlyArray<Day> }) => {
  const place = useRef<HTMLDivElement>(null)
  const theme = useTheme()
  useEffect(() => {
    const element = place.current
    if (element === null) return
    const data: UPlot.AlignedData = [
      days.map(({ day }) => Date.parse(day) / 1000),
      days.map(({ input, output }) => input + output),
      days.map(({ output }) => output)
    ]
    const plot = new UPlot(optionsFor(element.clientWidth, days), data, element)
    const watch = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }))
    watch.observe(element)
    return () => {
      watch.disconnect()
      plot.destroy()
    }
  }, [days, theme])
  return <div ref={place} role="img" aria-label={`${text.chart}. ${text.chartAbout}`} />
}
