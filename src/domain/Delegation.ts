/** An agent hands work to another one: what it says, and how far that may go. */
import type { JsonObject } from "./Json.ts"
import type { InputMessage } from "./Message.ts"

/** The tool by which agents hand work over. */
export const delegateTool = "delegate_to_agent"

/** How many agents may stand above one that was handed work, at most and as it comes; and how often one run may hand work over. */
export const maxDelegationDepth = 10
export const usualDelegationDepth = 3
export const maxDelegations = 32

/** Longest message that is handed over, in characters, and longest answer that comes back. */
export const maxHanded = 100_000
export const maxReturned = 32 * 1024

/** The kind of the jobs that stop what a run has handed over, when it has ended without an answer itself. */
export const stopKind = "delegation_stop"

/** Marks which message of an input is what. The word stands in inputs that are stored. */
export const part = "gateway"

/** What is handed to an agent: the input stands before the message, and both are found again by their marks. */
export const messagesOf = (
  { input, message }: { readonly message: string; readonly input?: JsonObject | null | undefined }
): ReadonlyArray<InputMessage> => {
  const base = { name: "user", role: "user" as const }
  const said = { ...base, content: message, metadata: { [part]: "message" } }
  if (input == null || Object.keys(input).length === 0) return [said]
  const content = `The input, as JSON:\n${JSON.stringify(input)}`
  return [{ ...base, content, metadata: { [part]: "input", input } }, said]
}
