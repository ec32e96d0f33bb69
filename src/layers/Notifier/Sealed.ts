/** The secret part of a notification: where its messages go, and what they are signed with. */
import { Effect, Schema } from "effect"
import { type Notification, Target } from "../../domain/Notification.ts"
import { Vault } from "../../services/Vault.ts"

type Of = Pick<Notification, "id" | "user_id">

const Sealed = Schema.parseJson(Target)

const sealedFor = ({ id, user_id }: Of) => ({ owner: user_id, record: `notifications/${id}` })

export const make = Effect.map(Vault, (vault) => {
  const open = (notification: Notification) =>
    Effect.flatMap(vault.open(notification.sealed, sealedFor(notification)), Schema.decode(Sealed))
  return {
    open,
    /** What cannot be opened any more must be given again. */
    opened: (notification: Notification) => Effect.orElseSucceed(open(notification), (): Target => ({})),
    seal: (notification: Of, target: Target) =>
      Effect.flatMap(
        Effect.orDie(Schema.encode(Sealed)(target)),
        (text) => vault.seal(text, sealedFor(notification))
      )
  }
})
