/** What of a request cannot be done here is refused where it would change what comes of it, and told of where it would not. */
import { Effect } from "effect"
import type { Invalid } from "../../../../domain/Errors.ts"
import { maxThreadMetadata } from "../../../../domain/Thread.ts"
import { warn } from "../../../Warnings.ts"
import { refuse } from "../../openai/request/Refused.ts"
import type { Mode, Modes, RunBody } from "./Requests.ts"

const isSet = (nodes: RunBody["interrupt_before"]): boolean => nodes != null && nodes.length > 0

const refusals: ReadonlyArray<readonly [path: string, isAsked: (run: RunBody) => boolean, message: string]> = [
  ["interrupt_before", (run) => isSet(run.interrupt_before), "An agent's permissions say where it stops"],
  ["interrupt_after", (run) => isSet(run.interrupt_after), "An agent's permissions say where it stops"],
  ["checkpoint", (run) => run.checkpoint != null, "A thread goes on at its end"],
  ["checkpoint_id", (run) => run.checkpoint_id != null, "A thread goes on at its end"],
  ["webhook", (run) => run.webhook != null, "Set up a notification of the server's in its place"],
  ["after_seconds", (run) => (run.after_seconds ?? 0) > 0, "Set up a schedule of the server's in its place"],
  ["command.update", (run) => run.command?.update != null, "What was said is changed by nobody"],
  ["command.goto", (run) => run.command?.goto != null, "An agent says itself what comes next"],
  [
    "multitask_strategy",
    (run) => run.multitask_strategy === "rollback",
    "What was said stays: use interrupt, reject or enqueue"
  ],
  [
    "metadata",
    (run) => run.metadata != null && JSON.stringify(run.metadata).length > maxThreadMetadata,
    `Expected at most ${maxThreadMetadata} characters of JSON`
  ]
]

const silent: ReadonlySet<Mode> = new Set(["debug", "tasks", "checkpoints"])

export const modesOf = (given: typeof Modes.Type | null | undefined): ReadonlySet<Mode> =>
  new Set(given == null ? ["values"] : typeof given === "string" ? [given] : given)

export const check = (run: RunBody): Effect.Effect<void, Invalid> => {
  const refused = refusals.find(([, isAsked]) => isAsked(run))
  if (refused !== undefined) return Effect.fail(refuse("unsupported", refused[0], refused[2]))
  const modes = [...modesOf(run.stream_mode)].filter((mode) => silent.has(mode))
  return warn([
    ...modes.map((mode) => `stream_mode '${mode}' has no events here.`),
    ...(run.feedback_keys != null && run.feedback_keys.length > 0 ? ["feedback_keys has no effect."] : [])
  ])
}
