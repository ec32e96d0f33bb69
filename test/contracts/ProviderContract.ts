/** What every provider promises, whatever its wire. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import { answers } from "./provider/Answers.ts"
import type { Case } from "./provider/Case.ts"
import { checks } from "./provider/Checks.ts"
import { cuts } from "./provider/Cuts.ts"
import { failures } from "./provider/Failures.ts"
import { history } from "./provider/History.ts"
import { questions } from "./provider/Questions.ts"
import { streams } from "./provider/Streams.ts"

export const cases: ReadonlyArray<Case> = [
  ...answers,
  ...questions,
  ...failures,
  ...cuts,
  ...checks,
  ...history,
  ...streams
]

export const providerContract = (subject: Subject) =>
  layer(Talk.base, { excludeTestServices: true })(subject.name, (it) => {
    for (const { bounds, needs, run, title } of cases) {
      if (needs !== undefined && subject.lacks[needs] !== undefined) continue
      it.scoped(
        title,
        () =>
          Talk.logsClean(
            Effect.flatMap(Talk.open(subject, Talk.impatient(bounds ?? {})), (talk) => run(talk, subject))
          ),
        { concurrent: true }
      )
    }
    // What a wire does not have is no test that somebody left out: it is listed, with what it costs and why.
    for (const [feature, reason] of Object.entries(subject.lacks)) {
      const promises = cases.filter(({ needs }) => needs === feature).length
      it.effect(`has no ${feature} (promises that do not hold here: ${promises}): ${reason}`, () =>
        Effect.sync(() => assert.notStrictEqual(reason.trim(), "", `why ${subject.name} has no ${feature}`)))
    }
  })
