/** A gate runs before each attempt of a call. */
import { Data, type Effect } from "effect"
import type { ModelFailed } from "../../services/Models.ts"

/** The provider was not asked, and trying again at once is no use. */
export class Refused extends Data.TaggedError("Refused")<{ readonly failed: ModelFailed }> {}

type Attempt = Effect.Effect<void, ModelFailed | Refused>

/** `hasBegun` says whether a part of the answer has been handed over. */
export type Gate = (attempt: Attempt, hasBegun: () => boolean) => Attempt

export const open: Gate = (attempt) => attempt
