/** A schedule as it is edited. */
import type { Schedule } from "../../api/Lists.ts"

export type Kind = "cron" | "interval" | "once"

export interface Draft {
  readonly name: string
  readonly agent_id: string
  readonly input: string
  readonly kind: Kind
  readonly cron_expression: string
  readonly interval_seconds: string
  /** As the browser's own field has it, in the reader's time zone: `2026-03-01T09:00`. */
  readonly once_at: string
  readonly timezone: string
  readonly overlap: Schedule["data"]["overlap"]
  readonly missed: Schedule["data"]["missed"]
  readonly stateful: boolean
  readonly permission_mode: Schedule["data"]["permission_mode"]
}

export const empty: Draft = {
  name: "",
  agent_id: "",
  input: "",
  kind: "cron",
  cron_expression: "0 9 * * 1-5",
  interval_seconds: "600",
  once_at: "",
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  overlap: "queue",
  missed: "once",
  stateful: false,
  permission_mode: "default"
}

const two = (part: number) => String(part).padStart(2, "0")

const localOf = (date: Date): string =>
  `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}T${two(date.getHours())}:${
    two(date.getMinutes())
  }`

export const draftOf = ({ agent_id, data }: Schedule): Draft => ({
  name: data.name,
  agent_id,
  input: data.input ?? "",
  kind: data.once_at !== null ? "once" : data.interval_seconds !== null ? "interval" : "cron",
  cron_expression: data.cron_expression === "" ? empty.cron_expression : data.cron_expression,
  interval_seconds: String(data.interval_seconds ?? empty.interval_seconds),
  once_at: data.once_at === null ? "" : localOf(new Date(data.once_at)),
  timezone: data.timezone,
  overlap: data.overlap,
  missed: data.missed,
  stateful: data.stateful,
  permission_mode: data.permission_mode
})

/** When it fires, as the API takes it; nothing while that is not written to its end. */
export const whenOf = ({ cron_expression, interval_seconds, kind, once_at, timezone }: Draft) =>
  kind === "cron"
    ? cron_expression.trim() === "" ? undefined : { cron_expression: cron_expression.trim(), timezone }
    : kind === "interval"
    ? Number(interval_seconds) > 0 ? { interval_seconds: Number(interval_seconds) } : undefined
    : once_at === ""
    ? undefined
    : { once_at: new Date(once_at).toISOString() }
