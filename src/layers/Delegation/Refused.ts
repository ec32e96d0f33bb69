import { Data } from "effect"

/** Work is not handed over. The model reads the message. */
export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}
