/**
 * What is known of one session: older messages as the transcript gave them, and behind them what the events tell. An
 * event is added in its order and once; that is the reader's promise. Messages keep their identity while they do not change.
 */
import { Draft } from "../../domain/Draft.ts"
import type { ElicitationQuestion } from "../../domain/Elicitation.ts"
import type { Message, ToolCallBlock } from "../../domain/Message.ts"
import { awaited } from "../../domain/OpenCalls.ts"
import type { WaitingFor } from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { runOf } from "../../domain/RunOf.ts"
import { append, openReply, replyIdOf } from "../../domain/Transcript.ts"
import type { Usage } from "../../domain/Usage.ts"
import { addUsage, noUsage } from "../../domain/UsageSum.ts"
import type { Seen } from "./Follow.ts"

/** Most messages that are kept; the oldest go first, and can be loaded again. */
const maxMessages = 50_000

/** Runs whose beginning is remembered, so that a list which was read before it does not bring them back. */
const maxBegun = 256

/** The run that goes on, or waits. */
export interface ActiveRun {
  readonly run_id: string
  readonly reply_id: string
  /** Undefined while it goes on by itself. */
  readonly waiting_for: WaitingFor | undefined
  /** 1, and one more for each time that the server has taken it up again after a crash. */
  readonly attempt: number
}

/** An input that waits for the runs before it. */
export interface Queued {
  readonly run_id: string
  /** Empty until it is read. */
  readonly input: ReadonlyArray<Message>
  readonly on_busy: Run["on_busy"]
}

/** A question that the server of a tool asks while its call is under way. */
export type Question = typeof ElicitationQuestion.Type

const waits: { readonly [S in Run["status"]]?: WaitingFor } = {
  awaiting_permission: "user_confirmation",
  awaiting_external_result: "external_execution"
}

/** A reply in the making, or a message that does not change any more. */
type Entry = Draft | { readonly message: Message }

export class Exchange {
  private older: ReadonlyArray<Message> = []
  private readonly olderIds = new Set<string>()
  private readonly entries = new Map<string, Entry>()
  private readonly begun = new Set<string>()
  private readonly queued = new Map<string, Queued>()
  private questions: ReadonlyArray<Question> = []
  private isCounted = false
  private sum: Usage = noUsage
  /** The `seq` of the last event; undefined before the first. */
  seq: number | undefined
  run: ActiveRun | undefined
  hasOlder = false
  /** A reply that is not whole, as the transcript gave it: it is shown until the events tell of it. */
  private preview: Message | undefined

  /** Whether an event has told of an input which is not in the queue's list yet. */
  get isQueueUnread(): boolean {
    return Array.from(this.queued.values()).some(({ input, on_busy }) => input.length === 0 && on_busy === "enqueue")
  }

  /** Whether an event has named the run. */
  knows(run_id: string): boolean {
    return this.begun.has(run_id) || this.queued.has(run_id)
  }

  has(id: string): boolean {
    return this.entries.has(id) || this.olderIds.has(id)
  }

  get messages(): ReadonlyArray<Message> {
    const { preview } = this
    const before = preview === undefined || this.has(preview.id) ? this.older : [...this.older, preview]
    return [...before, ...Array.from(this.entries.values(), ({ message }) => message)]
  }

  /** The calls that wait for a person's permission or for a client's results. */
  get calls(): ReadonlyArray<ToolCallBlock> {
    const { run } = this
    if (run?.waiting_for === undefined) return []
    const message = this.entries.get(run.reply_id)?.message ?? this.preview
    return message === undefined ? [] : awaited(message)
  }

  get queue(): ReadonlyArray<Queued> {
    return Array.from(this.queued.values())
  }

  get elicitations(): ReadonlyArray<Question> {
    return this.questions
  }

  /** Of the messages that are here. */
  get usage(): Usage {
    if (!this.isCounted) {
      this.sum = this.messages.reduce((sum, { usage }) => usage === null ? sum : addUsage(sum, usage), noUsage)
      this.isCounted = true
    }
    return this.sum
  }

  get isFull(): boolean {
    return this.older.length + this.entries.size >= maxMessages
  }

  /** Puts a page of the transcript before what is here; what the events have told already is theirs. */
  prepend(page: ReadonlyArray<Message>, hasOlder: boolean) {
    const fresh = page.filter(({ id }) => !this.has(id))
    for (const { id } of fresh) this.olderIds.add(id)
    this.older = [...fresh, ...this.older]
    this.hasOlder = hasOlder
    this.isCounted = false
  }

  /** The same before the events of a run, which are about to come again from its first on; its reply is shown as it is meanwhile. */
  before(reply: Message, run: Run | undefined): Exchange {
    const made = new Exchange()
    made.prepend(this.older, this.hasOlder)
    made.enqueue(this.queue.map(({ run_id, ...queued }) => ({ ...queued, id: run_id })))
    made.preview = reply
    if (run !== undefined && run.status !== "ended") {
      const { attempt, id, reply_id, status } = run
      made.run = { run_id: id, reply_id, attempt, waiting_for: waits[status] }
    }
    return made
  }

  /** Takes the inputs that a list names as waiting, oldest first. */
  enqueue(runs: ReadonlyArray<Omit<Queued, "run_id"> & { readonly id: string }>) {
    for (const { id, input, on_busy } of runs) {
      if (!this.begun.has(id)) this.queued.set(id, { run_id: id, input, on_busy })
    }
  }

  /** What an event says of runs is said by those of the session's own agent alone, and not by one inside of it. */
  add(event: Seen) {
    this.seq = event.seq
    const id = replyIdOf(event)
    if (event.type === "CUSTOM" && event.name === "user_message") this.put(event.value.message)
    else if (event.type === "REPLY_START") this.put(openReply(event), true)
    else if (id !== undefined) this.extend(id, event)
    if ((event.agent_path ?? []).length === 0) this.follow(event)
  }

  private put(message: Message, isDraft = false) {
    // What the transcript has given whole stays as it is.
    if (this.has(message.id)) return
    this.entries.set(message.id, isDraft ? Draft.of(message) : { message })
    this.isCounted = false
    this.trim()
  }

  private extend(id: string, event: Seen) {
    const entry = this.entries.get(id)
    if (!(entry instanceof Draft)) return
    const next = append(entry, event)
    this.entries.set(id, event.type === "REPLY_END" ? { message: next.message } : next)
    if (next.usage !== entry.usage) this.isCounted = false
  }

  private follow(event: Seen) {
    const run_id = runOf(event)
    if (event.type === "REPLY_START") {
      this.run = { run_id: event.run_id, reply_id: event.reply_id, waiting_for: undefined, attempt: 1 }
    } else if (event.type === "REPLY_END") {
      if (this.run?.run_id === run_id) {
        this.run = undefined
        this.questions = []
      }
    } else if (event.type === "CUSTOM") this.followOwn(event)
    else if (this.run?.waiting_for !== undefined && replyIdOf(event) === this.run.reply_id) {
      this.run = { ...this.run, waiting_for: undefined }
    }
    if (run_id === undefined) return
    if (event.type === "CUSTOM" && event.name === "run_queued") {
      if (!this.knows(run_id)) this.queued.set(run_id, { run_id, input: [], on_busy: "enqueue" })
      return
    }
    this.queued.delete(run_id)
    this.begun.add(run_id)
    if (this.begun.size > maxBegun) this.begun.delete(this.begun.values().next().value!)
  }

  private followOwn(event: Extract<Seen, { readonly type: "CUSTOM" }>) {
    const { run } = this
    switch (event.name) {
      case "run_parked":
        if (run?.run_id === event.value.run_id) this.run = { ...run, waiting_for: event.value.waiting_for }
        break
      case "run_resumed":
        if (run?.run_id === event.value.run_id) this.run = { ...run, attempt: event.value.attempt }
        // The process that had asked is gone.
        this.questions = []
        break
      case "elicitation_requested":
        this.questions = [...this.questions, event.value]
        break
      case "elicitation_ended": {
        const { elicitation_id } = event.value
        this.questions = this.questions.filter((question) => question.elicitation_id !== elicitation_id)
      }
    }
  }

  private trim() {
    const over = this.older.length + this.entries.size - maxMessages
    if (over <= 0) return
    const fromOlder = Math.min(over, this.older.length)
    for (const { id } of this.older.slice(0, fromOlder)) this.olderIds.delete(id)
    this.older = this.older.slice(fromOlder)
    for (const id of Array.from(this.entries.keys()).slice(0, over - fromOlder)) this.entries.delete(id)
    this.hasOlder = true
  }
}
