const two = (part: number) => String(part).padStart(2, "0")

/** Texts of the screen of schedules. */
export const schedules = {
  title: "Schedules",
  about: "Agents that work by the clock. What was due while the server was away is not forgotten.",
  add: "New schedule",
  emptyTitle: "Nothing runs by the clock yet",
  emptyAbout:
    "A schedule sends an agent the same input again and again: a report every morning, a check every ten minutes. Each fire is a run with a session, and it is noted how late it was.",
  agent: "Agent",
  chooseAgent: "Choose an agent …",
  input: "What it is told",
  inputAbout: "The input of each run.",
  when: "When",
  next: "Next",
  nextFires: "Next fires",
  noNext: "It does not fire any more.",
  last: "Last",
  statuses: { active: "active", paused: "paused", ended: "ended", broken: "broken" },
  pause: "Pause",
  resume: "Resume",
  trigger: "Fire now",
  triggered: "It fires now.",
  history: "History",
  noHistory: "It has not fired yet.",
  due: "Due",
  late: "Late by",
  took: "Took",
  fireStatuses: {
    pending: "pending",
    running: "running",
    waiting: "waits",
    completed: "completed",
    failed: "failed",
    interrupted: "interrupted",
    skipped: "skipped",
    missed: "missed",
    expired: "expired"
  },
  manual: "by hand",
  session: "Session",
  settings: "Settings",
  kinds: { cron: "By a rule", interval: "At intervals", once: "Once" },
  rule: "Rule",
  ruleAbout: "Five fields: minute, hour, day of the month, month, day of the week.",
  presets: {
    "*/15 * * * *": "Every 15 minutes",
    "0 * * * *": "Every hour",
    "0 9 * * *": "Every day at 9",
    "0 9 * * 1-5": "On weekdays at 9",
    "0 9 * * 1": "On Mondays at 9",
    "0 9 1 * *": "On the first of each month"
  },
  seconds: "Seconds between two fires",
  at: "Date and time",
  timezone: "Time zone",
  overlap: "When the run before still goes on",
  overlaps: { queue: "Wait for its end", skip: "Leave this one out", interrupt: "Stop it" },
  missed: "What was due while the server was away",
  misseds: { skip: "Is left out", once: "Is done once", all: "Is done for each" },
  stateful: "One conversation for all fires",
  statefulAbout: "Otherwise each fire begins a session of its own.",
  permission: "What it may do by itself",
  permissions: {
    default: "Ask as usual",
    accept_edits: "Change files without asking",
    explore: "Only read",
    bypass: "Everything, without asking",
    dont_ask: "What needs no asking; the rest is refused"
  },
  invalidRule: "This rule cannot be read.",
  plain: {
    minute: "every minute",
    minutes: (count: number) => `every ${count} minutes`,
    hour: (minute: number) => minute === 0 ? "every hour, on the hour" : `every hour, ${minute} minutes past`,
    hours: (count: number) => `every ${count} hours`,
    daily: (hour: number, minute: number) => `every day at ${two(hour)}:${two(minute)}`,
    weekdays: (hour: number, minute: number) => `on weekdays at ${two(hour)}:${two(minute)}`,
    weekly: (days: string, hour: number, minute: number) => `on ${days} at ${two(hour)}:${two(minute)}`,
    monthly: (day: string, hour: number, minute: number) =>
      `on day ${day} of each month at ${two(hour)}:${two(minute)}`,
    own: (rule: string) => `by the rule ${rule}`,
    seconds: (count: number) =>
      count % 3600 === 0
        ? `every ${count / 3600} h`
        : count % 60 === 0
        ? `every ${count / 60} min`
        : `every ${count} s`,
    once: (time: string) => `once, ${time}`
  }
}
