import { Data } from "effect"

/** An agent elsewhere could not be reached, or has answered nonsense or with an error. `message` is for people and models. */
export class RemoteFailed extends Data.TaggedError("RemoteFailed")<{
  readonly message: string
  /** It may be worth to ask again: the connection broke, or the agent is busy. */
  readonly again: boolean
}> {}
