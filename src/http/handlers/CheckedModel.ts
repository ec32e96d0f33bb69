/** Checks the model of a session or an agent, and warns of its parameters that do nothing. */
import { Effect } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import type { Models } from "../../services/Models.ts"
import { quoted, warn } from "../Warnings.ts"

export const checkedModel =
  ({ check }: typeof Models.Service) => (owner: UserId, config: ChatModelConfig, path: string) =>
    Effect.flatMap(
      check(owner, config, path),
      (idle) =>
        warn(idle.map((name) => `The parameter ${quoted(`${path}.parameters.${name}`)} has no effect on this model.`))
    )
