import { Context, type Effect, type Scope } from "effect"

/** What Ctrl-C does. Unless something has taken it over, it ends the command. */
export class CtrlC extends Context.Tag("stoa/cli/CtrlC")<CtrlC, {
  /** Until the scope closes, each Ctrl-C calls `pressed` instead. */
  readonly take: (pressed: () => void) => Effect.Effect<void, never, Scope.Scope>
}>() {}
