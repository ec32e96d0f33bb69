/** What a message says: one text for people, and a body for programs. Pure, so that it is the same whoever writes it. */
import type { Agent } from "../../domain/Agent.ts"
import type { Fire } from "../../domain/Fire.ts"
import type { Timestamp } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import type { Delivery, Notification } from "../../domain/Notification.ts"
import type { Run } from "../../domain/Run.ts"
import type { Schedule } from "../../domain/Schedule.ts"
import { cut } from "../../domain/Text.ts"

/** What there is to tell. Records that are gone by now are undefined. */
export interface Subject {
  readonly event: Delivery["event"]
  /** When it happened. */
  readonly at: Timestamp
  readonly agent: Agent | undefined
  readonly run: Run | undefined
  /** The run's reply so far. */
  readonly reply: Message | undefined
  readonly schedule: Schedule | undefined
  readonly fire: Fire | undefined
}

/** Most characters of a reply, and of a text with all its variables. */
const maxReply = 2_000
const maxText = 4_000

/** Tool calls that wait which a message names. */
const maxCalls = 20

const outcomes: Record<Delivery["event"], string> = {
  "run.completed": "has finished",
  "run.failed": "has failed",
  "run.interrupted": "was stopped",
  "run.waiting": "waits for an answer",
  "schedule.missed": "did not run",
  test: "has nothing to tell: this is a test"
}

/** Calls of tools that wait for a person or a client. */
const waitingCalls = (reply: Message | undefined) =>
  typeof reply?.content === "string" || reply === undefined ? [] : reply.content
    .flatMap((block) =>
      block.type === "tool_call" && (block.state === "asking" || block.state === "submitted")
        ? [{ id: block.id, name: block.name }]
        : []
    ).slice(0, maxCalls)

const replyOf = ({ reply }: Subject) => reply === undefined ? "" : cut(textOf(reply.content), maxReply)

const whyOf = ({ fire, run }: Subject) => run?.error?.message ?? fire?.reason ?? ""

const agentName = ({ agent }: Subject) => agent?.data.name ?? "An agent"

const headline = (subject: Subject) => {
  const of = subject.schedule === undefined ? "" : ` (${subject.schedule.data.name})`
  return `${agentName(subject)}${of} ${outcomes[subject.event]}`
}

const details = (subject: Subject): string => {
  switch (subject.event) {
    case "run.completed":
      return replyOf(subject)
    case "run.waiting":
      return waitingCalls(subject.reply).map(({ name }) => `Waits: ${name}`).join("\n")
    default:
      return whyOf(subject)
  }
}

/** The names of the variables, as in `{{reply}}`, with or without blanks inside. Other braces stay as they are. */
const pattern = /\{\{ ?(event|agent_name|outcome|reply|error|time|run_id|session_id|schedule_name) ?\}\}/g

const filled = (template: string, subject: Subject, written: (value: string) => string = (value) => value): string => {
  const variables: Readonly<Record<string, string>> = {
    event: subject.event,
    agent_name: agentName(subject),
    outcome: outcomes[subject.event],
    reply: replyOf(subject),
    error: whyOf(subject),
    time: subject.at,
    run_id: subject.run?.id ?? "",
    session_id: subject.run?.session_id ?? "",
    schedule_name: subject.schedule?.data.name ?? ""
  }
  return template.replace(pattern, (_, name: string) => written(variables[name]!))
}

/** What a definition says of a message beside its text. */
export interface Words {
  /** The body: JSON with variables in its texts. */
  readonly body?: string | undefined
}

/** A value as it stands in a text of JSON, without its quotes. */
const inJson = (value: string) => JSON.stringify(value).slice(1, -1)

/** The body follows the Standard Webhooks specification: `type`, `timestamp`, `data`. */
const bodyOf = (notification: Notification, subject: Subject, text: string): string => {
  const { agent, at, event, fire, run, schedule } = subject
  return JSON.stringify({
    type: event,
    timestamp: at,
    data: {
      notification: { id: notification.id, name: notification.name },
      text,
      agent: agent === undefined ? null : { id: agent.id, name: agent.data.name },
      run: run === undefined ? null : {
        id: run.id,
        session_id: run.session_id,
        status: run.status,
        finished_reason: run.finished_reason,
        error: run.error === null ? null : { ...run.error, message: cut(run.error.message, maxReply) },
        source: run.source,
        source_id: run.source_id,
        usage: run.usage,
        started_at: run.started_at,
        ended_at: run.ended_at,
        reply: replyOf(subject),
        waiting_for: waitingCalls(subject.reply)
      },
      schedule: schedule === undefined ? null : { id: schedule.id, name: schedule.data.name },
      fire: fire === undefined ? null : { id: fire.id, slot_at: fire.slot_at, status: fire.status, reason: fire.reason }
    }
  })
}

export const messageOf = (
  notification: Notification,
  subject: Subject,
  { body }: Words
): Pick<Delivery, "subject" | "text" | "body"> => {
  const title = cut(headline(subject).replace(/\s+/g, " "), 200)
  const own = [title, details(subject)].filter((part) => part !== "").join("\n\n")
  const text = cut(notification.template === null ? own : filled(notification.template, subject), maxText)
  return {
    subject: title,
    text,
    body: body === undefined ? bodyOf(notification, subject, text) : filled(body, subject, inJson)
  }
}
