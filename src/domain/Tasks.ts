/** The plan of a session: what its agent has set itself to do, in the shape of the Agent Service. */
import { Schema } from "effect"
import { Timestamp } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

const Task = Schema.Struct({
  id: Schema.String,
  subject: Schema.String,
  description: Schema.String,
  metadata: JsonObject,
  created_at: Timestamp,
  state: Schema.Literal("pending", "in_progress", "completed"),
  owner: Schema.NullOr(Schema.String),
  /** Ids of the tasks that wait for this one. */
  blocks: Schema.Array(Schema.String),
  /** Ids of the tasks for which this one waits. */
  blocked_by: Schema.Array(Schema.String)
}).annotations({ identifier: "PlannedTask" })

export const TasksContext = Schema.Struct({ tasks: Schema.Array(Task) }).annotations({ identifier: "TasksContext" })
export type TasksContext = typeof TasksContext.Type

/** No agent makes a plan yet. */
export const noTasks: TasksContext = { tasks: [] }
