/** What every provider promises, whatever its wire. */
import { describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import { answers } from "./provider/Answers.ts"
import type { Case } from "./provider/Case.ts"
import { checks } from "./provider/Checks.ts"
import { cuts } from "./provider/Cuts.ts"
import { failures } from "./provider/Failures.ts"
import { questions } from "./provider/Questions.ts"

export const cases: ReadonlyArray<Case> = [...answers, ...questions, ...failures, ...cuts, ...checks]

export const providerContract = (subject: Subject) =>
  describe(subject.name, () => {
    for (const { bounds, needs, run, title } of cases) {
      const reason = needs === undefined ? undefined : subject.lacks[needs]
      if (reason !== undefined) it.skip(`${title}: not here, ${reason}`, () => {})
      else {
        it.scopedLive(title, () =>
          Effect.flatMap(Talk.open(subject, Talk.impatient(bounds ?? {})), (talk) => run(talk, subject)))
      }
    }
  })
