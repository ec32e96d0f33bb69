/**
 * A second opinion on when a cron expression fires: it walks through the minutes of a zone's wall clock, one by
 * one, and looks at each. It shares nothing with the code that it checks, and follows the rule in docs/schedules.md.
 */
const minute = 60_000
const day = 86_400_000

const names = [
  ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
] as const

const numberOf = (text: string, first: number, words: ReadonlyArray<string>) => {
  const word = words.indexOf(text.toUpperCase())
  return word < 0 ? Number(text) : word + first
}

/** The numbers that a field names. */
const setOf = (field: string, from: number, to: number, words: ReadonlyArray<string> = []): ReadonlySet<number> => {
  const all = new Set<number>()
  for (const part of field.split(",")) {
    const [range = "", by = "1"] = part.split("/")
    const [low = "", high] = range === "*" ? [String(from), String(to)] : range.split("-")
    const first = numberOf(low, from, words)
    for (let n = first; n <= (high === undefined ? first : numberOf(high, from, words)); n += Number(by)) all.add(n)
  }
  return all
}

interface Expression {
  readonly seconds: ReadonlyArray<number>
  readonly isFixed: boolean
  readonly matches: (wall: number) => boolean
}

const parse = (text: string): Expression => {
  const fields = text.split(" ")
  const [second, minutes, hours, days, months, weekdays] = (fields.length === 5 ? ["0", ...fields] : fields) as [
    string,
    string,
    string,
    string,
    string,
    string
  ]
  const [m, h, d, mo] = [setOf(minutes, 0, 59), setOf(hours, 0, 23), setOf(days, 1, 31), setOf(months, 1, 12, names[0])]
  const w = new Set([...setOf(weekdays, 0, 7, names[1])].map((weekday) => weekday % 7))
  return {
    seconds: [...setOf(second, 0, 59)].toSorted((a, b) => a - b),
    isFixed: !/[*/]/.test(`${second}${minutes}${hours}`),
    matches: (wall) => {
      const date = new Date(wall)
      if (!m.has(date.getUTCMinutes()) || !h.has(date.getUTCHours()) || !mo.has(date.getUTCMonth() + 1)) return false
      const [isDay, isWeekday] = [d.has(date.getUTCDate()), w.has(date.getUTCDay())]
      if (days === "*") return isWeekday
      return weekdays === "*" ? isDay : isDay || isWeekday
    }
  }
}

const offsetAt = (formatter: Intl.DateTimeFormat, at: number): number => {
  const shown = formatter.formatToParts(at).find(({ type }) => type === "timeZoneName")!.value.replace("GMT", "")
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)/.exec(shown) ?? []
  return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * minute
}

const quarter = 15 * minute

/** The zone's offset in each quarter of an hour, and in each minute of those in which it changes. */
export class Zone {
  readonly name: string
  readonly #formatter: Intl.DateTimeFormat
  readonly #known = new Map<number, number>()

  constructor(name: string) {
    this.name = name
    this.#formatter = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset", hour: "numeric" })
  }

  #at(at: number): number {
    const known = this.#known.get(at) ?? offsetAt(this.#formatter, at)
    this.#known.set(at, known)
    return known
  }

  offset(at: number): number {
    const from = Math.floor(at / quarter) * quarter
    const [before, after] = [this.#at(from), this.#at(from + quarter)]
    return before === after ? before : this.#at(Math.floor(at / minute) * minute)
  }

  /** The moments at which it changes. */
  changes(from: number, to: number): ReadonlyArray<number> {
    const found: Array<number> = []
    for (let at = from; at < to; at += day) {
      if (this.#at(at) === this.#at(at + day)) continue
      let one = at
      while (this.offset(one) === this.#at(at)) one += minute
      found.push(one)
    }
    return found
  }
}

/** The times in [from, to), which are whole minutes, that the expression names in the zone. */
export const walk = (zone: Zone, text: string, from: number, to: number): ReadonlyArray<number> => {
  const { isFixed, matches, seconds } = parse(text)
  const found = new Set<number>()
  // Longest stretch that a clock repeats.
  let repeatedUntil = 0
  for (let at = from - 2 * day; at < to; at += minute) {
    const [before, now] = [zone.offset(at - minute), zone.offset(at)]
    if (now < before) repeatedUntil = at + (before - now)
    if (at < from) continue
    // A day that a zone leaves out has no times.
    if (isFixed && now > before && now - before < day) {
      for (let skipped = at + before; skipped < at + now; skipped += minute) if (matches(skipped)) found.add(at)
    }
    if ((isFixed && at < repeatedUntil) || !matches(at + now)) continue
    for (const second of seconds) found.add(at + second * 1000)
  }
  return [...found].toSorted((a, b) => a - b)
}
