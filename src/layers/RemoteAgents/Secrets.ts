/** The address of an agent and its headers, sealed for its record. */
import { type Context, Effect, Schema } from "effect"
import { type RemoteAgent, RemoteSecrets } from "../../domain/RemoteAgent.ts"
import type { Vault } from "../../services/Vault.ts"
import { RemoteFailed } from "./Failed.ts"
import { type Address, veilFor } from "./Wire.ts"

const Sealed = Schema.parseJson(RemoteSecrets)
const decode = Schema.decode(Sealed)
const encode = Schema.encodeSync(Sealed)

const sealedFor = ({ id, user_id }: Pick<RemoteAgent, "id" | "user_id">) => ({
  owner: user_id,
  record: `remote_agents/${id}`
})

export const seal = (
  vault: Context.Tag.Service<Vault>,
  agent: Pick<RemoteAgent, "id" | "user_id">,
  secrets: RemoteSecrets
): Effect.Effect<string> => vault.seal(encode(secrets), sealedFor(agent))

/** How to reach it. */
export const open = (
  vault: Context.Tag.Service<Vault>,
  { binding, tenant, title, ...agent }: RemoteAgent
): Effect.Effect<Address, RemoteFailed> =>
  Effect.flatMap(vault.open(agent.sealed, sealedFor(agent)), decode).pipe(
    Effect.map(({ headers, url }) => ({ binding, tenant, title, url, headers, veil: veilFor({ url, headers }) })),
    Effect.mapError(() =>
      new RemoteFailed({
        message:
          `The address of the agent '${title}' cannot be opened with this server's key: it has to be added again.`,
        again: false
      })
    )
  )
