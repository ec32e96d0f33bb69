/** A schedule's rule in plain words; what is not one of the common ones is shown as it is. */
import { wholeTime } from "../../ui/Time.tsx"
import { language, words } from "../../words/words.ts"

const text = words.schedules.plain

const dayFormat = new Intl.DateTimeFormat(language, { weekday: "long", timeZone: "UTC" })

/** The first day of 2023 was a Sunday, which is 0 and 7 in a rule. */
const dayName = (day: number): string => dayFormat.format(new Date(Date.UTC(2023, 0, 1 + day % 7)))

const isNumber = (field: string) => /^\d{1,2}$/.test(field)

const daysOf = (field: string): string | undefined =>
  /^[0-7](,[0-7])*$/.test(field) ? field.split(",").map((day) => dayName(Number(day))).join(", ") : undefined

export const plainRule = (rule: string): string => {
  const fields = rule.trim().split(/\s+/)
  const [minute = "", hour = "", day = "", month = "", weekday = ""] = fields
  if (fields.length !== 5 || month !== "*") return text.own(rule)
  const isEveryDay = day === "*" && weekday === "*"
  if (isEveryDay && hour === "*") {
    if (minute === "*") return text.minute
    if (/^\*\/\d{1,2}$/.test(minute)) return text.minutes(Number(minute.slice(2)))
    return isNumber(minute) ? text.hour(Number(minute)) : text.own(rule)
  }
  if (isEveryDay && minute === "0" && /^\*\/\d{1,2}$/.test(hour)) return text.hours(Number(hour.slice(2)))
  if (!isNumber(minute) || !isNumber(hour)) return text.own(rule)
  const at = [Number(hour), Number(minute)] as const
  if (isEveryDay) return text.daily(...at)
  if (weekday === "*") return isNumber(day) ? text.monthly(day, ...at) : text.own(rule)
  if (day !== "*") return text.own(rule)
  if (weekday === "1-5" || weekday.toUpperCase() === "MON-FRI") return text.weekdays(...at)
  const days = daysOf(weekday)
  return days === undefined ? text.own(rule) : text.weekly(days, ...at)
}

interface When {
  readonly cron_expression: string
  readonly interval_seconds: number | null
  readonly once_at: string | null
}

export const plainOf = ({ cron_expression, interval_seconds, once_at }: When): string =>
  once_at !== null
    ? text.once(wholeTime(once_at))
    : interval_seconds !== null
    ? text.seconds(interval_seconds)
    : plainRule(cron_expression)
