/** The tools that agents have when they ask for them. */
import type { EventLog } from "../../../services/EventLog.ts"
import type { Outbound } from "../../../services/Outbound.ts"
import type { Schedules } from "../../../services/Schedules.ts"
import type { Storage } from "../../../services/Storage.ts"
import type { Workspace } from "../../../services/Workspace.ts"
import type { ToolSource } from "../BuiltInTool.ts"
import { bash } from "./Bash.ts"
import { edit } from "./Edit.ts"
import { glob } from "./Glob.ts"
import { grep } from "./Grep.ts"
import { read } from "./Read.ts"
import { schedules } from "./Schedules.ts"
import { sessionHistory } from "./SessionHistory.ts"
import { tasks } from "./Tasks.ts"
import { webFetch } from "./WebFetch.ts"
import { write } from "./Write.ts"

const workspaceTools: ReadonlyArray<ToolSource<Workspace>> = [bash, edit, glob, grep, read, write]

export const all: ReadonlyArray<ToolSource<EventLog | Outbound | Schedules | Storage | Workspace>> = [
  ...workspaceTools,
  ...schedules,
  sessionHistory,
  ...tasks,
  webFetch
]
