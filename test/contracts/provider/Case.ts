/** One promise that every provider keeps. */
import type { Effect } from "effect"
import type { Bounds } from "../../../src/layers/Models/Bounds.ts"
import type { ModelFailed } from "../../../src/services/Models.ts"
import type { Feature, Subject } from "../../support/wires/Subject.ts"
import type { Talk } from "../../support/wires/Talk.ts"

export interface Case {
  readonly title: string
  /** What the wire must have for it. */
  readonly needs?: Feature
  readonly bounds?: Partial<Bounds>
  readonly run: (talk: Talk, subject: Subject) => Effect.Effect<void, ModelFailed>
}
