import { Context, Data, Effect } from "effect"

/** Storage has ended in this process; only a new process can open it again. `message` says why, and what to do. */
export class StorageEnded extends Data.TaggedError("StorageEnded")<{ readonly message: string }> {}

/** Who is told that this process cannot go on. Whoever runs the process ends it in order. */
export class Fatal extends Context.Reference<Fatal>()("stoa/services/Fatal", {
  defaultValue: (): { readonly report: (error: StorageEnded) => Effect.Effect<void> } => ({
    report: ({ message }) => Effect.logFatal(message)
  })
}) {}
