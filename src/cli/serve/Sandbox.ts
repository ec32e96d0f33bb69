/** Whether the sandbox of agents' programs works on this machine. */
import { Effect } from "effect"
import type { Settings } from "../../domain/Settings.ts"
import { probe } from "../../layers/Workspace/Bubblewrap.ts"

/** Why it does not, as a sentence without its end; undefined when it works, or is not wanted. */
export const problemOf = ({ workspace }: Settings): Effect.Effect<string | undefined> =>
  workspace === "local" || workspace === "files"
    ? Effect.succeed(undefined)
    : Effect.match(probe, { onSuccess: () => undefined, onFailure: ({ message }) => message })
