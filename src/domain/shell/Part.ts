/** One thing that a shell command does: a command of it, or a redirect into a file. */

/** A word as the command gets it; undefined when only the shell will know. */
export type Word = string | undefined

/** `read` changes nothing, `edit` changes the files in `writes` and nothing else, `unknown` may do anything. */
export type Effect = "read" | "edit" | "network" | "unknown"

/** What one command does by its words. Paths are as they are written. */
export interface Verdict {
  readonly effect: Effect
  readonly reads?: ReadonlyArray<Word>
  readonly writes?: ReadonlyArray<Word>
  /** Why somebody is asked in every mode. */
  readonly danger?: string | undefined
}

export interface Part {
  readonly type: "command" | "redirect"
  /** The command's words; of a redirect its target. */
  readonly words: ReadonlyArray<Word>
  readonly effect: Effect
  /** Absolute paths. */
  readonly reads: ReadonlyArray<string>
  readonly writes: ReadonlyArray<string>
  readonly danger: string | undefined
  /** Words that a prefix must have at least to allow it: `sudo` alone must not allow every command. */
  readonly least: number
  /** Only a rule on the whole call allows it: more than its words decides what it does. */
  readonly whole: boolean
}

export const read: Verdict = { effect: "read" }
export const network: Verdict = { effect: "network" }
export const unknown: Verdict = { effect: "unknown" }
export const dangerous = (danger: string): Verdict => ({ effect: "unknown", danger })

/** Reads the files; a path that cannot be known makes the whole unknown. */
export const reading = (paths: ReadonlyArray<Word>): Verdict =>
  paths.includes(undefined) ? unknown : { effect: "read", reads: paths }

export const editing = (writes: ReadonlyArray<Word>, reads: ReadonlyArray<Word> = []): Verdict =>
  writes.includes(undefined) || reads.includes(undefined) ? unknown : { effect: "edit", reads, writes }
