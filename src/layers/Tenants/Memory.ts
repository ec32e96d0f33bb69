/** Who owns something in this process. */
import { Effect, Layer } from "effect"
import { Timestamp, UserId } from "../../domain/Ids.ts"
import { tables } from "../../services/Storage.ts"
import { Tenants } from "../../services/Tenants.ts"
import { type Store, Tables } from "../Memory/Tables.ts"

const isOwning = [tables.agents, tables.credentials, tables.keys, tables.usage]

const holdingsOf = (store: Store, owner: string) => {
  const rowsIn = (table: keyof typeof tables) => store.rows(table).where({ owner })
  const newest = [...rowsIn("agents"), ...rowsIn("sessions"), ...rowsIn("runs")]
    .reduce((last, { updated_at }) => updated_at > last ? updated_at : last, "")
  return {
    user_id: UserId.make(owner),
    agents: rowsIn("agents").length,
    credentials: rowsIn("credentials").length,
    sessions: rowsIn("sessions").length,
    runs: rowsIn("runs").length,
    keys: rowsIn("keys").length,
    last_active_at: newest === "" ? null : Timestamp.make(newest)
  }
}

export const make = Effect.map(Tables, (store) =>
  Tenants.of({
    list: (after, limit) =>
      store.run(() => {
        const owners = new Set(isOwning.flatMap(({ name }) => store.rows(name).where({}).map(({ owner }) => owner)))
        return [...owners].filter((owner) => after === undefined || owner > after).toSorted().slice(0, limit)
          .map((owner) => holdingsOf(store, owner))
      })
  }))

export const layer: Layer.Layer<Tenants, never, Tables> = Layer.effect(Tenants, make)
