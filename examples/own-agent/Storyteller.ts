/**
 * An agent of one's own, without a model: it tells a story word by word, and remembers in each session how many chapters
 * it has told, also of those in which somebody stopped it.
 */
import { Schema } from "effect"
import { setTimeout as sleep } from "node:timers/promises"
import * as Agent from "../../src/layers/OwnAgents/Agent.ts"

/** What it remembers. It is kept with the words of the turn, in one transaction. */
const State = Schema.Struct({ chapters: Schema.Int, words: Schema.Int })

const pause = 20

export const storyteller = Agent.make({
  name: "storyteller",
  description: "Tells a story, chapter by chapter.",
  state: State,
  initial: () => ({ chapters: 0, words: 0 }),
  async *run(turn) {
    const words = Number(/\d+/.exec(turn.text)?.[0] ?? 5)
    turn.state = { ...turn.state, chapters: turn.state.chapters + 1 }
    yield `Chapter ${turn.state.chapters}, after ${turn.history.length} messages:`
    for (let i = 0; i < words; i++) {
      // It throws when somebody stops the run; what was told until then is kept.
      // oxlint-disable-next-line eslint/no-await-in-loop -- a word after the other
      await sleep(pause, undefined, { signal: turn.signal })
      turn.state = { ...turn.state, words: turn.state.words + 1 }
      yield ` word ${turn.state.words}`
    }
    yield "."
  }
})
