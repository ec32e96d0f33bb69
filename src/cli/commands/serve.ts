import { Command } from "@effect/cli"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Effect } from "effect"
import type { Channel } from "../../http/channels/Channel.ts"
import type { Hook } from "../../http/channels/Hook.ts"
import type * as Host from "../../layers/Host.ts"
import { launch } from "../serve/Launch.ts"
import { options, read } from "../serve/Options.ts"

/** What a user's own program adds to what Stoa brings. */
export interface Extensions extends Host.Extensions {
  /** Protocols beside those that Stoa speaks, made with `make` of `http/channels/Channel.ts`. */
  readonly channels?: ReadonlyArray<Channel>
  /** Code around the runs of channels, made with `make` of `http/channels/Hook.ts`. */
  readonly hooks?: ReadonlyArray<Hook>
  /** Paths of the program's own, made with `make` of `http/channels/Endpoints.ts`. */
  readonly endpoints?: ReadonlyArray<Channel>
}

export const serve = (extensions: Extensions) =>
  Command.make(
    "serve",
    options,
    (flags) =>
      Effect.flatMap(read(flags), (settings) => launch(settings, extensions)).pipe(Effect.provide(NodeFileSystem.layer))
  ).pipe(Command.withDescription("Run the server"))
