/** The runner of each agent: the loop of models and tools, as its record or its definition says, or the code of the server's own program. */
import { Effect, Exit, Layer } from "effect"
import { defaults } from "../../domain/Settings.ts"
import { AgentConfigs } from "../../services/AgentConfigs.ts"
import { AgentRunner } from "../../services/AgentRunner.ts"
import type { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import { Catalog } from "../../services/Catalog.ts"
import type { Files } from "../../services/Files.ts"
import type { Models } from "../../services/Models.ts"
import type { OwnAgents } from "../../services/OwnAgents.ts"
import { Recall } from "../../services/Recall.ts"
import { Retrievers } from "../../services/Retrievers.ts"
import type { Toolbox } from "../../services/Toolbox.ts"
import type { Workspace } from "../../services/Workspace.ts"
import * as Code from "./Code.ts"
import * as Defined from "./Defined.ts"
import * as Loop from "./Loop.ts"

export type Limits = Loop.Limits

export const make = Effect.fnUntraced(function*(limits: Limits) {
  const loop = yield* Loop.make(limits)
  const code = yield* Code.make(limits)
  const catalog = yield* Catalog
  const defined = Defined.make(catalog, yield* Retrievers, yield* AgentConfigs, yield* Recall)
  return AgentRunner.of({
    run: (request, out) => {
      const { code: ofCode, definition } = request.agent.data
      if (ofCode !== undefined) return code.run(request, out)
      if (definition === undefined) return loop.run(request, out)
      return Effect.matchEffect(defined(request, definition), {
        onFailure: (ending) => Effect.succeed(ending),
        onSuccess: (request) => loop.run(request, out)
      }).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => {
            if (!(Exit.isSuccess(exit) && "waiting_for" in exit.value)) catalog.ended(request.run.id)
          })
        )
      )
    }
  })
})

export const layer = (
  limits: Limits = defaults
): Layer.Layer<
  AgentRunner,
  never,
  AgentConfigs | BackgroundTasks | Catalog | Files | Models | OwnAgents | Recall | Toolbox | Workspace
> => Layer.effect(AgentRunner, make(limits))
