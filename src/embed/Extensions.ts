/** What a user's own program adds to what Stoa brings. */
import type { Channel } from "../http/channels/Channel.ts"
import type { Hook } from "../http/channels/Hook.ts"
import type * as Host from "../layers/Host.ts"

export interface Extensions extends Host.Extensions {
  /** Protocols beside those that Stoa speaks, made with `make` of `http/channels/Channel.ts`. */
  readonly channels?: ReadonlyArray<Channel>
  /** Code at points of the server, of its runs and of its channels, made with `make` of `http/channels/Hook.ts`. */
  readonly hooks?: ReadonlyArray<Hook>
  /** Paths of the program's own, made with `make` of `http/channels/Endpoints.ts`. */
  readonly endpoints?: ReadonlyArray<Channel>
}
