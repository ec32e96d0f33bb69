/** Tool calls as the hooks of the server want them: what they say is applied with the permissions, and is never looser. */
import { Effect } from "effect"
import type { ToolCallBlock } from "../../domain/Message.ts"
import type { PermissionMode } from "../../domain/Permission.ts"
import type { Verdict } from "../../domain/permission/Decide.ts"
import type { ReplyRequest } from "../../services/AgentRunner.ts"
import { Hooks, ofRun, type ToolCall, type ToolState, type ToolVerdict } from "../../services/Hooks.ts"
import type { Emit } from "./ToolCall.ts"

/** Calls of one round that hooks are asked about at the same time. */
const concurrency = 8

const argumentsOf = (input: string): unknown => {
  try {
    return input.trim() === "" ? {} : JSON.parse(input) as unknown
  } catch {
    return input
  }
}

const callOf = ({ run }: ReplyRequest, call: ToolCallBlock, runs: ToolCall["runs"]): ToolCall => ({
  ...ofRun(run),
  tool_call_id: call.id,
  tool: call.name,
  input: argumentsOf(call.input),
  runs,
  confirmed: call.state === "allowed"
})

type Verdicts = ReadonlyMap<string, ToolVerdict>

const none: Verdicts = new Map()

/** The call with other arguments, where a hook wants others. One that a person is being asked about stays as it is shown. */
export const changed = (call: ToolCallBlock, said: ToolVerdict | undefined) => {
  const isSame = said?.input === undefined ||
    JSON.stringify(argumentsOf(call.input)) === JSON.stringify(argumentsOf(said.input))
  if (isSame) return { call, said }
  return call.state === "asking"
    ? { call, said: { ...said, decision: said.decision ?? "ask" } }
    : { call: { ...call, input: said.input, state: "pending" as const }, said }
}

/** The permissions' verdict, or what hooks say where that is stricter. */
export const stricter = (
  verdict: Verdict,
  said: ToolVerdict | undefined,
  { confirmed, mode, name }: { readonly confirmed: boolean; readonly mode: PermissionMode; readonly name: string }
): Verdict => {
  if (said?.decision === undefined || verdict.decision === "deny") return verdict
  if (said.decision === "deny") return { decision: "deny", why: said.why }
  if (confirmed) return verdict
  return mode === "dont_ask"
    ? { decision: "deny", why: `Permission denied for ${name} (dont_ask mode - user not available)` }
    // No rule would answer for a hook, so none is suggested.
    : { decision: "ask", suggested_rules: [] }
}

export const make = Effect.map(Hooks, (hooks) => {
  const isAsked = hooks.has("tool.before")
  const isAround = hooks.has("tool.around") || hooks.has("tool.after")

  return {
    /** What hooks say of the calls that may be made now. All are asked before the first one is decided on. */
    before: (
      request: ReplyRequest,
      calls: ReadonlyArray<ToolCallBlock>,
      isExternal: (name: string) => boolean
    ): Effect.Effect<Verdicts> =>
      !isAsked ? Effect.succeed(none) : Effect.map(
        Effect.forEach(
          calls.filter(({ state }) => state !== "submitted" && state !== "finished"),
          (call) =>
            Effect.map(
              hooks.beforeTool(callOf(request, call, isExternal(call.name) ? "client" : "server")),
              (said) => [call.id as string, said] as const
            ),
          { concurrency }
        ),
        (entries) => new Map(entries)
      ),
    around: (request: ReplyRequest, call: ToolCallBlock, run: (emit: Emit) => Effect.Effect<ToolState>, emit: Emit) =>
      isAround ? hooks.aroundTool(callOf(request, call, "server"), run, emit) : run(emit)
  }
})
