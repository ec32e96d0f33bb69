import { Command } from "@effect/cli"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import type { Extensions } from "../../embed/Extensions.ts"
import { launch } from "../serve/Launch.ts"
import { options, read } from "../serve/Options.ts"

export const serve = (extensions: Extensions) =>
  Command.make(
    "serve",
    options,
    (flags) =>
      Effect.flatMap(read(flags), (settings) => launch(settings, extensions)).pipe(Effect.provide(NodeFileSystem.layer))
  ).pipe(Command.withDescription("Run the server"))
