/** HTTP to anywhere: for programs whose tenants are trusted with the network that they run in. */
import { Layer } from "effect"
import { Outbound } from "../../services/Outbound.ts"

export const layer: Layer.Layer<Outbound> = Layer.succeed(Outbound, { fetch: globalThis.fetch, forbids: () => false })
