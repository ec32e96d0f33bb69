/**
 * One session and its clients: some send, some watch and leave and resume, one
 * answers what is asked. Everything that any of them saw is kept, to be compared
 * with the log when the killing is over.
 */
import { setTimeout as sleep } from "node:timers/promises"
import type { AgentEvent } from "../../src/domain/Event.ts"
import { isNamed } from "../support/events.ts"
import type { Chance } from "./Chance.ts"
import { script } from "./Scripts.ts"
import type { Victim } from "./Victim.ts"
import { type Answer, call, stream, type StreamEnd } from "./Wire.ts"

/** Inputs of a session that may be on their way at the same time. */
const maxOpen = 6

export type Wrong =
  | "lost"
  | "repeated"
  | "gap"
  | "changed"
  | "input"
  | "run"
  | "unusable"
  | "answer"
  | "ledger"
  | "stop"
  | "shape"

export interface Violation {
  readonly wrong: Wrong
  readonly session_id: string
  readonly what: string
}

export interface Input {
  readonly token: string
  readonly on_busy: "enqueue" | "interrupt"
  /** `unknown`: the connection broke before an answer. */
  outcome: "accepted" | "refused" | "unknown"
  /** When it was sent first, and when the first answer said that it is accepted, by this process's own clock. */
  readonly sent: number
  accepted: number | undefined
}

/** A run that somebody asked to end. */
export interface Stop {
  /** When the 202 came, by the clock; undefined while none has come. */
  readonly at: number | undefined
  readonly how: "cancel" | "drop"
}

export interface Counts {
  frames: number
  resumes: number
  answers: number
  keyed: number
  readonly refusals: Map<string, number>
}

const isAgain = (status: number) => status === 503 || status === 429

const codeOf = ({ status, text }: { readonly status: number | undefined; readonly text: string }) =>
  `${status} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ""}`.trim()

export class Talk {
  readonly session_id: string
  readonly inputs: Array<Input> = []
  readonly violations: Array<Violation> = []
  /** Every frame that any client has seen, by its `seq`. */
  readonly seen = new Map<number, string>()
  /** Answers that were accepted, by the call's id. */
  readonly answered = new Set<string>()
  /** Runs that somebody asked to end, by their id. */
  readonly stops = new Map<string, Stop>()
  /** All that waits was asked to end: that means inputs too whose runs the client had not seen yet. */
  hasDropped = false
  readonly counts: Counts = { frames: 0, resumes: 0, answers: 0, keyed: 0, refusals: new Map() }
  /** Milliseconds from ready to the first new event of a run that was picked up. */
  readonly goingOn: Array<number> = []

  readonly #agent_id: string
  readonly #delay: number
  readonly #mixed: boolean
  readonly #victim: Victim
  readonly #chance: Chance
  /** Runs that the stream has told of, and those whose end it has told. */
  readonly #begun = new Set<string>()
  readonly #ended = new Set<string>()
  readonly #asked = new Map<string, string>()
  readonly #leaving = new AbortController()
  #tokens = 0
  #resumed: string | undefined
  #sending = true
  #parks = 0
  #tasks: Array<Promise<void>> = []
  #sender: Promise<void> = Promise.resolve()

  constructor(
    session: {
      readonly session_id: string
      readonly agent_id: string
      readonly delay_ms: number
      /** Cancels, drops and keyed inputs are among what its clients do. */
      readonly mixed: boolean
    },
    victim: Victim,
    chance: Chance
  ) {
    this.session_id = session.session_id
    this.#agent_id = session.agent_id
    this.#delay = session.delay_ms
    this.#mixed = session.mixed
    this.#victim = victim
    this.#chance = chance
  }

  begin(watchers: number) {
    this.#sender = this.#send()
    this.#tasks = [this.#sender, ...Array.from({ length: watchers }, () => this.#watch())]
  }

  /** No new inputs, when it resolves; what is asked is still answered. */
  calm(): Promise<void> {
    this.#sending = false
    return this.#sender
  }

  async stop() {
    this.#sending = false
    this.#leaving.abort()
    await Promise.all(this.#tasks)
  }

  wrong(wrong: Wrong, what: string) {
    this.violations.push({ wrong, session_id: this.session_id, what })
  }

  /** Says `ok`, and waits until that is answered; whether it was, within the time. */
  async isUsable(millis: number): Promise<string | undefined> {
    const url = await this.#victim.url()
    let said = ""
    let last: AgentEvent | undefined
    const leave = AbortSignal.timeout(millis)
    const body = { agent_id: this.#agent_id, session_id: this.session_id, input: { content: "say ok" } }
    const end = await stream(url, "/chat", {
      body,
      leave,
      frame: (frame) => {
        const { event } = this.#note(frame)
        last = event
        if (event.type === "TEXT_BLOCK_DELTA") said += event.delta
      }
    })
    return last?.type === "REPLY_END" && last.finished_reason === "completed" && said === "ok"
      ? undefined
      : `'say ok' got ${codeOf(end)}, last ${JSON.stringify(last)}, said ${JSON.stringify(said)}`
  }

  #body = (input: unknown, more: object = {}) => ({
    agent_id: this.#agent_id,
    session_id: this.session_id,
    input,
    ...more
  })

  #refusal(answer: Answer | StreamEnd) {
    const code = codeOf(answer)
    this.counts.refusals.set(code, (this.counts.refusals.get(code) ?? 0) + 1)
    if (answer.status !== undefined && !isAgain(answer.status) && answer.status !== 409) {
      this.wrong("answer", `${code}: ${answer.text}`)
    }
  }

  /** Keeps a frame, and compares it with what others saw. */
  #note(frame: string): { readonly seq: number; readonly event: AgentEvent } {
    const break_ = frame.indexOf("\n")
    const seq = Number(frame.slice(4, break_))
    const event = JSON.parse(frame.slice(break_ + 7)) as AgentEvent
    this.counts.frames++
    const before = this.seen.get(seq)
    if (before === undefined) {
      this.seen.set(seq, frame)
      this.#react(event)
    } else if (before !== frame) {
      this.wrong("changed", `seq ${seq} was\n  ${before}\nand is\n  ${frame}`)
    }
    return { seq, event }
  }

  #react(event: AgentEvent) {
    if (this.#resumed !== undefined && !isNamed(event, "run_resumed")) {
      this.goingOn.push(performance.now() - this.#victim.readyAt)
      this.#resumed = undefined
    }
    switch (event.type) {
      case "REPLY_END":
        this.#ended.add(event.run_id)
        // A run that never began may end while another asks.
        for (const [id, reply] of this.#asked) if (reply === event.reply_id) this.#asked.delete(id)
        break
      case "REQUIRE_USER_CONFIRM":
        for (const { id } of event.tool_calls) this.#asked.set(id, event.reply_id)
        break
      case "USER_CONFIRM_RESULT":
        for (const { tool_call } of event.confirm_results) this.#asked.delete(tool_call.id)
        break
      case "CUSTOM":
        this.#reactTo(event)
    }
  }

  #reactTo({ name, value }: Extract<AgentEvent, { readonly type: "CUSTOM" }>) {
    switch (name) {
      case "run_queued":
      case "user_message":
        this.#begun.add(value.run_id)
        break
      case "run_resumed":
        this.#resumed = value.run_id
        break
      case "run_parked":
        this.#tasks.push(this.#answer(value.reply_id, ++this.#parks))
    }
  }

  async #watch() {
    const { signal } = this.#leaving
    let cursor = 0
    while (!signal.aborted) {
      const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
      if (url === undefined) continue
      // Some leave after some frames, some after some time, some never.
      const stay = this.#chance.of(0.3) ? this.#chance.between(1, 60) : Infinity
      const leave = AbortSignal.any([
        signal,
        AbortSignal.timeout(this.#chance.of(0.3) ? this.#chance.between(5, 800) : 600_000)
      ])
      const left = new AbortController()
      let frames = 0
      const end = await stream(url, `/sessions/${this.session_id}/stream`, {
        headers: { "last-event-id": String(cursor) },
        leave: AbortSignal.any([leave, left.signal]),
        frame: (frame) => {
          if (left.signal.aborted) return
          const { seq } = this.#note(frame)
          if (seq <= cursor) this.wrong("repeated", `A watcher at ${cursor} got ${seq}`)
          else if (seq !== cursor + 1) this.wrong("gap", `A watcher at ${cursor} got ${seq}`)
          cursor = seq
          if (++frames >= stay) left.abort()
        }
      })
      this.counts.resumes++
      if (end.status === 409) this.wrong("lost", `A watcher has seen ${cursor}: ${end.text}`)
      else if (end.status !== undefined && end.status !== 200 && !left.signal.aborted && end.text !== "") {
        this.#refusal(end)
      }
      await sleep(this.#chance.of(0.5) ? 5 : this.#chance.between(5, 200))
    }
  }

  async #send() {
    while (this.#sending) {
      await sleep(this.#chance.between(10, 400))
      if (this.#begun.size - this.#ended.size >= maxOpen) continue
      await Promise.all(Array.from({ length: this.#chance.of(0.2) ? 3 : 1 }, () => this.#sendOne()))
      if (this.#chance.of(0.08)) await this.#interrupt()
      if (!this.#mixed) continue
      if (this.#chance.of(0.25)) await this.#cancel()
      if (this.#chance.of(0.08)) await this.#drop()
    }
  }

  async #sendOne() {
    const token = `t${this.session_id.slice(-6)}x${++this.#tokens}x`
    const on_busy = this.#chance.of(0.05) ? "interrupt" as const : "enqueue" as const
    const text = script(token, this.#delay, this.#chance)
    const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
    if (url === undefined) return
    const input: Input = { token, on_busy, outcome: "unknown", sent: performance.now(), accepted: undefined }
    this.inputs.push(input)
    const body = this.#body({ content: text }, { on_busy })
    if (this.#mixed && this.#chance.of(0.4)) return this.#sendKeyed(input, body)
    if (this.#chance.of(0.5)) {
      const answer = await call(url, "POST", "/chat", body, { prefer: "respond-async" }).catch(() => undefined)
      if (answer?.status === 202) {
        input.outcome = "accepted"
        input.accepted = performance.now()
      } else if (answer !== undefined) {
        input.outcome = "refused"
        this.#refusal(answer)
      }
      return
    }
    const leave = AbortSignal.timeout(this.#chance.of(0.4) ? this.#chance.between(20, 500) : 600_000)
    const following = stream(url, "/chat", {
      body,
      leave: AbortSignal.any([leave, this.#leaving.signal]),
      opened: () => {
        input.outcome = "accepted"
        input.accepted = performance.now()
      },
      frame: (frame) => {
        this.#note(frame)
      }
    }).then((end) => {
      if (end.status === undefined || end.status === 200 || leave.aborted) return
      input.outcome = "refused"
      this.#refusal(end)
    })
    this.#tasks.push(following)
    await Promise.race([following, sleep(100)])
  }

  /** Sends an input with a key until it is answered, sometimes twice at once: whatever happens, it is one input. */
  async #sendKeyed(input: Input, body: object) {
    const key = { prefer: "respond-async", "idempotency-key": input.token }
    const runs = new Set<string>()
    for (let tries = 0; tries < 5 && this.#sending; tries++) {
      const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
      if (url === undefined) continue
      this.counts.keyed++
      const twice = this.#chance.of(0.3) ? 2 : 1
      const answers = await Promise.all(
        Array.from({ length: twice }, () => call(url, "POST", "/chat", body, key).catch(() => undefined))
      )
      for (const answer of answers) {
        if (answer?.status !== 202) continue
        runs.add(JSON.parse(answer.text).run_id)
        input.outcome = "accepted"
        input.accepted ??= performance.now()
      }
      for (const answer of answers) if (answer !== undefined && answer.status !== 202) this.#refusal(answer)
      if (runs.size > 1) this.wrong("input", `${input.token} has one key and became the runs ${[...runs].join(", ")}`)
      // Once it is accepted, it is sent again with some luck: the answer must be the same.
      if (input.outcome === "accepted" && this.#chance.of(0.7)) return
      if (input.outcome !== "accepted" && answers.every((answer) => answer !== undefined)) {
        // One of an earlier try may still be on its way.
        if (tries === 0 && answers.every((answer) => answer!.status === 429)) input.outcome = "refused"
        return
      }
      await sleep(this.#chance.between(0, 100))
    }
  }

  async #stopping(ids: ReadonlyArray<string>, how: Stop["how"], path: string) {
    for (const id of ids) if (!this.stops.has(id)) this.stops.set(id, { at: undefined, how })
    const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
    if (url === undefined) return
    const answer = await call(url, "POST", path).catch(() => undefined)
    const at = Date.now()
    if (answer?.status === 202) {
      for (const id of ids) if (this.stops.get(id)?.at === undefined) this.stops.set(id, { at, how })
    } else if (answer !== undefined) this.#refusal(answer)
  }

  /** Stops one run: it goes on, waits, or is parked. */
  async #cancel() {
    const open = [...this.#begun].filter((id) => !this.#ended.has(id))
    if (open.length === 0) return
    const id = this.#chance.pick(open)
    await this.#stopping([id], "cancel", `/runs/${id}/cancel`)
  }

  /** Stops all: those that were accepted before must not go on after. */
  async #drop() {
    const open = [...this.#begun].filter((id) => !this.#ended.has(id))
    this.hasDropped = true
    await this.#stopping(open, "drop", `/sessions/${this.session_id}/interrupt?queue=drop`)
  }

  async #interrupt() {
    const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
    if (url !== undefined) await call(url, "POST", `/sessions/${this.session_id}/interrupt`).catch(() => {})
  }

  /** Answers, now or later, all or one by one, or stops what asks; until the stream tells that it was heard. */
  async #answer(reply_id: string, park: number) {
    await sleep(this.#chance.of(0.5) ? 0 : this.#chance.between(0, 1_000))
    while (park === this.#parks && !this.#leaving.signal.aborted) {
      const calls = [...this.#asked].filter(([, of]) => of === reply_id).map(([id]) => id)
      if (calls.length === 0) return
      const url = await Promise.race([this.#victim.url(), sleep(250, undefined)])
      if (url === undefined) continue
      if (this.#chance.of(0.1)) await this.#interrupt()
      else {
        const chosen = this.#chance.of(0.3) ? calls.slice(0, 1) : calls
        const confirmed = this.#chance.of(0.8)
        const body = this.#body({
          type: "USER_CONFIRM_RESULT",
          reply_id,
          confirm_results: chosen.map((id) => ({ confirmed, tool_call: { id } }))
        })
        const answer = await call(url, "POST", "/chat", body, { prefer: "respond-async" }).catch(() => undefined)
        this.counts.answers++
        if (answer?.status === 202) { for (const id of chosen) this.answered.add(id) }
        else if (answer !== undefined && answer.status !== 409) this.#refusal(answer)
      }
      await sleep(100)
    }
  }
}
