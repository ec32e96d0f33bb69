import type { Answer, Schedule } from "../../api/Lists.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Fire = Answer<"schedules", "fires">["fires"][number]

export const tones: Readonly<Record<Schedule["status"], Tone>> = {
  active: "ok",
  paused: "warn",
  ended: "plain",
  broken: "bad"
}

export const fireTones: Readonly<Record<Fire["status"], Tone>> = {
  pending: "plain",
  running: "accent",
  waiting: "warn",
  completed: "ok",
  failed: "bad",
  interrupted: "warn",
  skipped: "plain",
  missed: "warn",
  expired: "warn"
}
