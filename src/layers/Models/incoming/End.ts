import type { Usage } from "../../../domain/Usage.ts"

/** The end of an answer as its bytes tell it, for where a package has not read one of its events. */
export interface End {
  /** Why it ended, in the provider's word. */
  readonly reason: string
  readonly usage: Usage | undefined
}
