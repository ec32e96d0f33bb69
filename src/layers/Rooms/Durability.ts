/**
 * Knows how much of what was put into a room is in the log, and who waits for it.
 * Each change gets a number; each waiter is notified once and then removed.
 */
import { Deferred, Effect, FiberId } from "effect"
import type { AppendRefused } from "../../services/EventLog.ts"

interface Waiter {
  readonly version: number
  readonly done: (how: Effect.Effect<void, AppendRefused>) => void
}

export class Durability {
  readonly #thrown: (error: unknown) => void
  #version = 0
  /** The number of the last change that is being written, and of the last one that is in the log. */
  #taken = 0
  #durable = 0
  #refused: AppendRefused | undefined
  #waiters: Array<Waiter> = []
  #calls: Array<{ readonly version: number; readonly call: () => void }> = []
  readonly #refusalCalls = new Set<(refused: AppendRefused) => void>()

  constructor(thrown: (error: unknown) => void) {
    this.#thrown = thrown
  }

  /** Counts the changes so far. */
  version = () => this.#version

  /** Why nothing more can be written. */
  refused = () => this.#refused

  /** Nothing waits for the log, nor is being written. */
  isIdle = () => this.#durable === this.#version

  /** Callbacks that have not been called yet. */
  registered = () => this.#calls.length + this.#refusalCalls.size + this.#waiters.length

  change() {
    this.#version++
  }

  take() {
    this.#taken = this.#version
  }

  durable: Effect.Effect<void, AppendRefused> = Effect.suspend(() => {
    if (this.#refused !== undefined) return Effect.fail(this.#refused)
    return this.isIdle() ? Effect.void : Deferred.await(this.whenSettled<never>())
  })

  /** Completes when all changes so far are in the log, or never will be. */
  whenSettled<E>(): Deferred.Deferred<void, AppendRefused | E> {
    const deferred = Deferred.unsafeMake<void, AppendRefused | E>(FiberId.none)
    const done = (how: Effect.Effect<void, AppendRefused>) => Deferred.unsafeDone(deferred, how)
    if (this.#refused !== undefined) done(Effect.fail(this.#refused))
    else if (this.isIdle()) done(Effect.void)
    else this.#waiters.push({ version: this.#version, done })
    return deferred
  }

  whenDurable(call: () => void) {
    if (this.#refused === undefined) this.#calls.push({ version: this.#version, call })
  }

  /** Returns a function that removes the callback. */
  whenRefused(call: (refused: AppendRefused) => void): () => void {
    if (this.#refused === undefined) this.#refusalCalls.add(call)
    else call(this.#refused)
    return () => {
      this.#refusalCalls.delete(call)
    }
  }

  /** What was taken is in the log. This calls those who must act before any subscriber sees it. */
  written() {
    this.#durable = this.#taken
    const calls = this.#calls
    // The remaining callbacks are stored first: a callback may register the next one.
    this.#calls = calls.filter(({ version }) => version > this.#durable)
    for (const { call, version } of calls) if (version <= this.#durable) this.#safely(call)
  }

  /** Resumes those who wait. Call it after publishing: a waiter may rely on its events having been sent. */
  settle() {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(({ version }) => version > this.#durable)
    for (const { done, version } of waiters) if (version <= this.#durable) done(Effect.void)
  }

  /** Nothing more will be in the log. */
  refuse(error: AppendRefused) {
    // The reason is set first: a callback may ask for it.
    this.#refused = error
    this.#calls = []
    const calls = [...this.#refusalCalls]
    this.#refusalCalls.clear()
    for (const call of calls) this.#safely(() => call(error))
    const waiters = this.#waiters
    this.#waiters = []
    for (const { done } of waiters) done(Effect.fail(error))
  }

  /** When a callback throws, the others are called all the same. */
  #safely(call: () => void) {
    try {
      call()
    } catch (error) {
      this.#thrown(error)
    }
  }
}
