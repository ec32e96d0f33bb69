/** A run whose words are changed before a channel's encoder reads them: whole, for response hooks, or event by event. */
import { Cause, Effect, Schema, type Scope } from "effect"
import { AgentEvent } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { RunId } from "../../domain/Ids.ts"
import { endsStream } from "../../domain/RunOf.ts"
import type { Session } from "../../domain/Session.ts"
import type { Sink } from "../../services/Rooms.ts"
import type { Encoder } from "./Channel.ts"
import type { Hook, OfRun, Part, Reply } from "./Hook.ts"
import * as Hooks from "./Hooks.ts"

/** Most characters of the piece of text that a hook puts in the place of one. */
const maxDelta = 1024 * 1024

/** More frames than this are not taken while hooks are behind. */
const lowWater = 64 * 1024

type Delta = Extract<AgentEvent, { readonly type: "TEXT_BLOCK_DELTA" | "THINKING_BLOCK_DELTA" }>

const isDelta = (event: AgentEvent): event is Delta =>
  event.type === "TEXT_BLOCK_DELTA" || event.type === "THINKING_BLOCK_DELTA"

const keyOf = ({ id, type }: Pick<Part, "id" | "type">) => `${type} ${id}`

/** The part that an event belongs to, if it is one of words. */
const partOf = (event: AgentEvent): Pick<Part, "id" | "type"> | undefined => {
  switch (event.type) {
    case "TEXT_BLOCK_START":
    case "TEXT_BLOCK_DELTA":
    case "TEXT_BLOCK_END":
      return { type: "text", id: event.block_id }
    case "THINKING_BLOCK_START":
    case "THINKING_BLOCK_DELTA":
    case "THINKING_BLOCK_END":
      return { type: "thinking", id: event.block_id }
    default:
      return undefined
  }
}

/** Keeps a run's events in the place of an encoder, each block's text in one piece. */
class Held implements Encoder {
  readonly #events: Array<AgentEvent> = []
  readonly #texts = new Map<string, { readonly part: Pick<Part, "id" | "type">; pieces: Array<string> }>()

  step = (event: AgentEvent): string => {
    const part = partOf(event)
    if (part !== undefined) {
      const key = keyOf(part)
      const known = this.#texts.get(key)
      if (known === undefined) this.#texts.set(key, { part, pieces: isDelta(event) ? [event.delta] : [] })
      else if (isDelta(event)) known.pieces.push(event.delta)
      // The first event of a block stands for its text.
      if (isDelta(event) && known !== undefined) return ""
    }
    this.#events.push(event)
    return ""
  }

  failed = (): string => ""

  reply(): Reply {
    const parts = Array.from(this.#texts.values(), ({ part, pieces }): Part => ({ ...part, text: pieces.join("") }))
    const end = this.#events.at(-1)
    return end?.type === "REPLY_END" && end.structured_output !== undefined
      ? { parts, structured_output: end.structured_output }
      : { parts }
  }

  /** The run as if it had said this. */
  as({ parts, structured_output }: Reply): ReadonlyArray<AgentEvent> {
    const texts = new Map(parts.map((part) => [keyOf(part), part.text]))
    const begun = new Set<string>()
    return this.#events.flatMap((event): ReadonlyArray<AgentEvent> => {
      if (event.type === "REPLY_END" && event.structured_output !== undefined) return [{ ...event, structured_output }]
      const part = partOf(event)
      if (part === undefined) return [event]
      const key = keyOf(part)
      const text = texts.get(key)
      if (text === undefined) return []
      if (begun.has(key)) return [event]
      begun.add(key)
      const { created_at, id } = event
      const base = { id, created_at, block_id: part.id, ...("reply_id" in event && { reply_id: event.reply_id }) }
      const type = part.type === "text" ? "TEXT_BLOCK_DELTA" as const : "THINKING_BLOCK_DELTA" as const
      const words = text === "" ? [] : [{ ...base, type, delta: text } as Delta]
      return isDelta(event) ? words : [event, ...words]
    })
  }
}

/** Where the events go when their hooks are through. */
interface Target extends Sink {
  readonly isOver: boolean
  readonly feed: (event: AgentEvent) => void
  readonly fail: (problem: Hooks.Problem) => void
}

const isEvent = Schema.is(Schema.typeSchema(AgentEvent))

/** What an event is, which no hook may change: an event that becomes an end would end the stream before its run. */
const kindOf = (event: object): string => `${String(Reflect.get(event, "type"))} ${String(Reflect.get(event, "name"))}`

/** What is wrong with what a hook puts in the place of an event; `kind` is what that was when the hook was given it. */
const problemIn = (before: AgentEvent, after: unknown, kind: string): string | undefined => {
  if (typeof after !== "object" || after === null) return "no event"
  if (kindOf(after) !== kind) return "an event of another type"
  const delta: unknown = Reflect.get(after, "delta")
  if (typeof delta === "string" && delta.length > maxDelta) return "a piece that is too long"
  // What it leaves as it is may be of a newer version.
  return after === before || isEvent(after) ? undefined : "an event that is none"
}

const decoder = new TextDecoder()

/**
 * Gives the events of a stream to its hooks, in their order, before they go on. What waits
 * for a hook counts as unread, so that a stream whose hooks are too slow ends as one that is not read.
 */
class Updating implements Sink {
  readonly #target: Target
  readonly #hooks: ReadonlyArray<Hook>
  readonly #about: OfRun
  readonly #waiting: Array<Uint8Array> = []
  readonly #drained = new Set<() => void>()
  #bytes = 0
  #ending: { readonly comment: string | undefined } | undefined
  #wake = () => {}

  constructor(target: Target, hooks: ReadonlyArray<Hook>, about: OfRun) {
    this.#target = target
    this.#hooks = hooks.filter(({ update }) => update !== undefined)
    this.#about = about
  }

  write(frames: Uint8Array) {
    if (this.#target.isOver) return
    this.#waiting.push(frames)
    this.#bytes += frames.length
    this.#wake()
  }

  unread() {
    return this.#bytes + this.#target.unread()
  }

  drained: Effect.Effect<void> = Effect.zipRight(
    Effect.async<void>((resume) => {
      if (this.#bytes <= lowWater) return resume(Effect.void)
      const told = () => resume(Effect.void)
      this.#drained.add(told)
      return Effect.sync(() => this.#drained.delete(told))
    }),
    Effect.suspend(() => this.#target.drained)
  )

  end(comment?: string) {
    // It is not the reader who was too slow.
    if (comment === "lagging" && this.#bytes > 0) return this.#target.fail(Hooks.late)
    this.#ending = { comment }
    this.#wake()
  }

  /** Works until the stream is over. */
  readonly run: Effect.Effect<void> = Effect.gen(this, function*() {
    while (!this.#target.isOver) {
      const frames = this.#waiting.shift()
      if (frames !== undefined) {
        yield* Effect.forEach(eventsOf(decoder.decode(frames)), ({ event }) => this.#pass(event), { discard: true })
        this.#bytes -= frames.length
        if (this.#bytes <= lowWater) { for (const told of this.#drained) told() }
        continue
      }
      if (this.#ending !== undefined) return this.#target.end(this.#ending.comment)
      yield* Effect.async<void>((resume) => {
        this.#wake = () => resume(Effect.void)
        // Something may have come since the look.
        if (this.#waiting.length > 0 || this.#ending !== undefined) this.#wake()
      })
    }
  }).pipe(
    Effect.catchAllCause((cause) =>
      Cause.isInterruptedOnly(cause)
        ? Effect.failCause(cause as Cause.Cause<never>)
        : Effect.flatMap(Hooks.problemOf(cause), (problem) => Effect.sync(() => this.#target.fail(problem)))
    ),
    // Who waits for more to be written waits no longer.
    Effect.ensuring(Effect.sync(() => {
      this.#bytes = 0
      for (const told of this.#drained) told()
    }))
  )

  #pass(event: AgentEvent): Effect.Effect<void, Hooks.Problem> {
    if (this.#target.isOver) return Effect.void
    // The last event says that it was the last: no hook is asked whether it is.
    if (endsStream(event)) return Effect.sync(() => this.#target.feed(event))
    return Effect.map(
      Effect.reduce(
        this.#hooks,
        event as AgentEvent | undefined,
        (before, hook) => {
          if (before === undefined) return Effect.succeed(before)
          const kind = kindOf(before)
          return Effect.flatMap(
            Hooks.asking(hook, Hooks.patience.update, () => hook.update!(before, this.#about)),
            (after) => {
              if (after === undefined) return Effect.succeed(after)
              const wrong = problemIn(before, after, kind)
              return wrong === undefined ? Effect.succeed(after) : Hooks.malformed(hook, wrong)
            }
          )
        }
      ),
      (passed) => {
        if (passed !== undefined) this.#target.feed(passed)
      }
    )
  }
}

/**
 * What `Follow.ts` uses, and a channel that reads its runs by itself: the hooks of the channel around a sink, and around
 * an encoder of a whole reply. Without hooks both are what they were.
 */
export const make = Effect.map(Hooks.Hooks, ({ channel, hooks }) => {
  const updating = hooks.filter(({ update }) => update !== undefined)
  const responding = hooks.filter(({ response }) => response !== undefined)
  const aboutOf = ({ agent_id, id, user_id }: Session, run_id: RunId): OfRun => ({
    channel,
    owner: user_id,
    agent_id,
    session_id: id,
    run_id
  })

  return {
    /** The sink to attach in the place of the target. The hooks work as long as the scope is open. */
    streaming: (target: Target, session: Session, run_id: RunId): Effect.Effect<Sink, never, Scope.Scope> => {
      if (updating.length === 0) return Effect.succeed(target)
      const sink = new Updating(target, updating, aboutOf(session, run_id))
      return Effect.as(Effect.forkScoped(sink.run), sink)
    },
    /** The encoder to give a run's events to; after the last one, `done` gives them to the real one, as they go out. */
    replying: (encoder: Encoder, session: Session, run_id: RunId) => {
      if (responding.length === 0) return { encoder, done: Effect.void }
      const held = new Held()
      const done = Effect.suspend(() => Hooks.replied(responding, held.reply(), aboutOf(session, run_id))).pipe(
        Effect.map((reply) => {
          for (const event of held.as(reply)) encoder.step(event)
        })
      )
      return { encoder: held, done }
    }
  }
})
