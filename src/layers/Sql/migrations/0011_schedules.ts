/** Schedules, where they are, their fires, and the sessions that these made. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const record = `
  id text collate "C" primary key,
  owner text collate "C" not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  data text not null`

const statements = [
  `create table schedules (${record},
    agent_id text collate "C" not null references agents on delete cascade
  )`,
  "create index schedules_by_owner on schedules (owner, id)",
  "create index schedules_by_agent on schedules (agent_id)",

  // Apart from the record, which its owner writes: firing touches only this narrow row.
  `create table schedule_states (
    id text collate "C" primary key references schedules on delete cascade,
    owner text collate "C" not null,
    status text not null,
    reason text,
    revision integer not null default 1,
    slot_at timestamptz,
    next_fire_at timestamptz,
    last_fire_at timestamptz,
    fires integer not null default 0
  )`,
  "create index schedule_states_due on schedule_states (next_fire_at, owner, id) where status = 'active' and next_fire_at is not null",

  `create table fires (${record},
    schedule_id text collate "C" not null references schedules on delete cascade,
    status text not null,
    is_manual boolean not null default false,
    slot_at timestamptz not null,
    run_id text collate "C",
    sender text collate "C",
    send_at timestamptz
  )`,
  // Each slot of a schedule is claimed once.
  "create unique index fires_by_slot on fires (schedule_id, slot_at) where not is_manual",
  "create index fires_by_owner on fires (owner, id)",
  "create index fires_by_schedule on fires (schedule_id, id)",
  "create index fires_pending on fires (send_at, owner, id) where status = 'pending'",
  "create index fires_open on fires (owner, run_id) where status in ('running', 'waiting')",

  // Empty for sessions that no schedule has made.
  "alter table sessions add column schedule_id text collate \"C\" not null default ''",
  "create index sessions_by_schedule on sessions (schedule_id, id) where schedule_id <> ''"
]

export const schedules: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
