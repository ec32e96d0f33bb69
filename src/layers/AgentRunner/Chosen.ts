/** The runner of each agent: the loop of models and tools, or the code of the server's own program. */
import { Effect, Layer } from "effect"
import { defaults } from "../../domain/Settings.ts"
import { AgentRunner } from "../../services/AgentRunner.ts"
import type { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import type { Files } from "../../services/Files.ts"
import type { Models } from "../../services/Models.ts"
import type { OwnAgents } from "../../services/OwnAgents.ts"
import type { Toolbox } from "../../services/Toolbox.ts"
import type { Workspace } from "../../services/Workspace.ts"
import * as Code from "./Code.ts"
import * as Loop from "./Loop.ts"

export type Limits = Loop.Limits

export const make = Effect.fnUntraced(function*(limits: Limits) {
  const loop = yield* Loop.make(limits)
  const code = yield* Code.make(limits)
  return AgentRunner.of({
    run: (request, out) => (request.agent.data.code === undefined ? loop : code).run(request, out)
  })
})

export const layer = (
  limits: Limits = defaults
): Layer.Layer<AgentRunner, never, BackgroundTasks | Files | Models | OwnAgents | Toolbox | Workspace> =>
  Layer.effect(AgentRunner, make(limits))
