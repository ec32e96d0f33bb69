/** Numbers as the reader's language writes them. */
import { language } from "../words/words.ts"

const wholeFormat = new Intl.NumberFormat(language)
const shortFormat = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 })

export const whole = (count: number): string => wholeFormat.format(count)
export const short = (count: number): string => shortFormat.format(count)

/** US dollars; small sums keep the digits that say something. */
export const dollars = (sum: number | null): string =>
  sum === null ? "–" : sum !== 0 && sum < 0.01 ? `$${sum.toPrecision(2)}` : `$${sum.toFixed(2)}`

const kilo = 1024

export const bytes = (count: number): string =>
  count < kilo
    ? `${count} B`
    : count < kilo ** 2
    ? `${(count / kilo).toFixed(1)} KB`
    : `${(count / kilo ** 2).toFixed(1)} MB`

export const millis = (count: number): string =>
  count < 1_000
    ? `${Math.round(count)} ms`
    : count < 60_000
    ? `${(count / 1_000).toFixed(1)} s`
    : `${Math.round(count / 60_000)} min`
