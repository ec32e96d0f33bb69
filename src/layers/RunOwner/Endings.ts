/** The endings of runs that the agent does not end itself. */
import type * as Reply from "../../domain/Reply.ts"

/** How many times a run is driven before it is given up. */
export const maxAttempts = 3

export const broken: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "internal",
    message: "The reply failed because of an internal error.",
    retryable: true
  }
}

export const interrupted: Reply.Ending = { finished_reason: "interrupted", error: null }

export const expired: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "expired",
    message: "The run was ended: nobody answered what it asked in time.",
    retryable: false
  }
}

export const crashLoop: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "crash_loop",
    message: `The run was given up: the server stopped ${maxAttempts} times while it went on.`,
    retryable: false
  }
}

export const unstorable: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "crash_loop",
    message: `The run was given up: storage refused what was said in it ${maxAttempts} times.`,
    retryable: false
  }
}

export const gone: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "setup",
    code: "not_found",
    message: "The session's agent or model was removed before the run began.",
    retryable: false
  }
}

export const refused: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "storage_unavailable",
    message: "The input was refused because storage was away. It has not run.",
    retryable: true
  }
}

export const unwritable: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "crash_loop",
    message: `The run was given up: its beginning could not be stored, ${maxAttempts} times.`,
    retryable: false
  }
}
