/** Agents and runs as LangGraph's clients see them. */
import type { Agent } from "../../../../domain/Agent.ts"
import type { OnBusy } from "../../../../domain/Chat.ts"
import { isObject } from "../../../../domain/JsonSchema.ts"
import type { Run } from "../../../../domain/Run.ts"
import { keptOf } from "./Messages.ts"

export const assistantOf = ({ created_at, data, id, updated_at }: Agent) => ({
  assistant_id: id as string,
  graph_id: data.name,
  name: data.name,
  description: null,
  config: {},
  context: {},
  metadata: {},
  version: 1,
  created_at: created_at as string,
  updated_at: updated_at as string
})

export const runStatuses = ["pending", "running", "error", "success", "timeout", "interrupted"] as const

export const statusOf = ({ error, finished_reason, status }: Run): typeof runStatuses[number] => {
  switch (status) {
    case "queued":
      return "pending"
    case "running":
      return "running"
    case "ended":
      if (finished_reason === "interrupted") return "interrupted"
      if (finished_reason !== "error") return "success"
      return error?.code === "run_timeout" ? "timeout" : "error"
    default:
      return "interrupted"
  }
}

const strategies: Readonly<Record<OnBusy, string>> = {
  enqueue: "enqueue",
  reject: "reject",
  interrupt: "interrupt",
  steer: "enqueue"
}

export const runOf = (run: Run, thread_id: string) => {
  const [first] = run.input
  const metadata = first === undefined ? undefined : keptOf(first)["run"]
  return {
    run_id: run.id as string,
    thread_id,
    assistant_id: run.agent_id as string,
    created_at: run.created_at as string,
    updated_at: run.updated_at as string,
    status: statusOf(run) as string,
    metadata: isObject(metadata) ? metadata : {},
    multitask_strategy: strategies[run.on_busy]
  }
}
