/** What the driver's clients say: every kind of reply that a crash can cut. Each text holds its token, once, as a word. */
import type { Chance } from "./Chance.ts"

const calculate = (expression: string) => `call Calculate {"expression":"${expression}"}`
const pause = (seconds: number, note: string) => `call Pause {"seconds":${seconds},"note":"${note}"}`

const shapes: ReadonlyArray<(token: string, chance: Chance, delay: number) => string> = [
  (token) => `say ${token} short`,
  (token, { between }) => `say ${token}\nrepeat ${between(20, 80)} word `,
  (token) => `think hm\nsay ${token}\n${calculate("6*7")}\nthen\nresults\nrepeat 20 more `,
  (token) => `${calculate("1+1")}\ncall CurrentTime {}\n${calculate("2+2")}\nthen\nsay ${token}\nresults`,
  (token, { between }) => `say ${token}\nsleep ${between(50, 400)}\nsay end`,
  (token) => `say ${token}\n${pause(0, "a")}\nthen\nresults`,
  (token, { between }) => `say ${token}\n${pause(between(1, 3) / 10, "b")}\nthen\nsay done`,
  (token) => `say ${token}\n${pause(0, "c")}\n${pause(0, "d")}\n${calculate("3*3")}\nthen\nrepeat 20 after `,
  (token, _, delay) => `say ${token}\nrepeat ${delay === 0 ? 3_000 : 100} flood `,
  (token) => `say ${token}\nrepeat 10 cut \nfail cut`
]

/** `delay`: milliseconds between two deltas. */
export const script = (token: string, delay: number, chance: Chance): string =>
  chance.pick(shapes)(token, chance, delay)
