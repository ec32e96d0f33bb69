/**
 * Runs fibers so that timers and sockets get their turn. Effect's own scheduler starts one microtask after another, up to
 * 2,048 of them, before Node does anything else: a thousand fibers that go on at once would keep all others waiting.
 */
import { Effect, Scheduler } from "effect"

type Task = Scheduler.Task

/** How long fibers may go on in one turn of the event loop, in milliseconds. */
const longest = 10

class FairScheduler implements Scheduler.Scheduler {
  /** Those that were scheduled since the present ones were taken. */
  #next = new Scheduler.PriorityBuckets()
  #present: ReadonlyArray<Task> = []
  #done = 0
  #isRunning = false
  /** When the first fiber of this turn went on. */
  #began: number | undefined

  readonly #end = () => {
    this.#began = undefined
  }

  readonly #go = () => {
    try {
      this.#run()
    } catch (cause) {
      // No fiber's defect comes this far. Whatever it is, the process is told of it, and all others go on.
      setImmediate(this.#go)
      throw cause
    }
  }

  #run() {
    while (this.#done < this.#present.length) {
      if (this.#isOver()) {
        setImmediate(this.#go)
        return
      }
      this.#present[this.#done++]!()
    }
    this.#present = this.#next.buckets.flatMap(([, tasks]) => tasks)
    this.#done = 0
    if (this.#present.length === 0) this.#isRunning = false
    else {
      this.#next = new Scheduler.PriorityBuckets()
      queueMicrotask(this.#go)
    }
  }

  shouldYield: Scheduler.Scheduler["shouldYield"] = (fiber) => Scheduler.defaultScheduler.shouldYield(fiber)

  scheduleTask(task: Task, priority: number) {
    this.#next.scheduleTask(task, priority)
    if (this.#isRunning) return
    this.#isRunning = true
    queueMicrotask(this.#go)
  }

  #isOver(): boolean {
    if (this.#began !== undefined) return performance.now() - this.#began > longest
    this.#began = performance.now()
    setImmediate(this.#end)
    return false
  }
}

const scheduler = new FairScheduler()

/** The effect and all fibers that it forks, in turns. */
export const inTurns = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.withScheduler(effect, scheduler)
