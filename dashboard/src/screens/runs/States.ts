/** The states of runs, in the order in which a run comes through them. */
export const RunStatus = ["queued", "running", "awaiting_permission", "awaiting_external_result", "ended"] as const
