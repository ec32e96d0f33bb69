import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { Rotation } from "../../services/Rotation.ts"
import { Api } from "../Api.ts"

export const layer = HttpApiBuilder.group(
  Api,
  "vault",
  (handlers) =>
    Effect.map(Rotation, ({ retire, rotate, status }) =>
      handlers
        .handle("status", () => status)
        .handle("rotate", () => rotate)
        .handle("retire", () => retire))
)
