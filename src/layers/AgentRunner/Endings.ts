/** The endings of a reply that the loop itself decides. */
import type * as Reply from "../../domain/Reply.ts"
import { errorTypeOf } from "../../domain/RunError.ts"
import { stopFields } from "../../domain/Stop.ts"
import type { HookRefused } from "../../services/Hooks.ts"
import type { ModelFailed } from "../../services/Models.ts"

export const exceeded = ({ stop }: Reply.Reply): Reply.Ending => ({
  finished_reason: "exceed_max_iters",
  error: null,
  ...(stop !== undefined && stopFields(stop))
})

/** A prompt that the provider's filter refused is told as an answer that it withheld, and as a failure. */
export const failed = ({ category, message, retryable, type }: ModelFailed): Reply.Ending => ({
  finished_reason: "error",
  error: { type: errorTypeOf(type), code: type, message, retryable },
  ...(type === "content_policy" &&
    stopFields({ reason: "content_filter", details: category === undefined ? undefined : { category } }))
})

/** A hook of the operator lets the model not be called. */
export const refused = ({ code, message }: HookRefused): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: code === "hook_refused" ? "permission" : "internal",
    code,
    message,
    retryable: code !== "hook_refused"
  }
})

export const timedOut = (seconds: number): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "internal",
    code: "run_timeout",
    message: `The run was ended: it took longer than ${seconds} seconds.`,
    retryable: true
  }
})

export const notOfSchema = (problems: ReadonlyArray<string>): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "upstream",
    code: "invalid_output",
    message: `The model's answer is not of the schema that was asked for. ${problems.join(" ")}`,
    retryable: true
  }
})

export const tooExpensive: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "upstream",
    code: "output_check_too_expensive",
    message:
      "The model's answer could not be checked: the schema, or the answer, is too large for the time that it gets.",
    retryable: false
  }
}

export const tooLarge = (excess: string): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "internal",
    code: "reply_too_large",
    message: `The run was ended: its reply exceeds ${excess}.`,
    retryable: false
  }
})

/** An agent of the program that a crash has cut off, and that is not to be begun anew. */
export const interrupted: Reply.Ending = { finished_reason: "interrupted", error: null }

const internal = (code: string, message: string): Reply.Ending => ({
  finished_reason: "error",
  error: { type: "internal", code, message, retryable: false }
})

export const codeFailed = (message: string): Reply.Ending => internal("agent_failed", message)

export const stateTooLarge = (characters: number): Reply.Ending =>
  internal("state_too_large", `The agent's state has more than ${characters} characters; the one before it is kept.`)

/** A personal agent lacks something that its user has to tell it. */
export const setupRequired = (name: string): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "setup",
    code: "setup_required",
    message: `The agent '${name}' has to be configured by you first: POST /agents/${name}/config of the Agent Gateway.`,
    retryable: false
  }
})

export const codeGone = (name: string): Reply.Ending => ({
  finished_reason: "error",
  error: {
    type: "setup",
    code: "agent_gone",
    message: `The agent '${name}' is code that this server does not have.`,
    retryable: false
  }
})

export const noCompaction: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "setup",
    code: "invalid_request",
    message: "The agent is code, which is given no context that could be compacted.",
    retryable: false
  }
}

export const notSummarised: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "upstream",
    code: "invalid_output",
    message: "The model gave no summary of the conversation. The context stays as it was.",
    retryable: true
  }
}
