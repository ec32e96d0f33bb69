/** Holds the ledger against the log that it was written with. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { CredentialId, RunId, Timestamp } from "../../src/domain/Ids.ts"
import { type LedgerEntry, tokenNames } from "../../src/domain/Ledger.ts"
import type { Session } from "../../src/domain/Session.ts"
import type { UsageSum } from "../../src/domain/UsageReport.ts"
import { Ledger } from "../../src/services/Ledger.ts"
import { freshId, time } from "./fixtures.ts"

export const entryOf = (session: Session, changes: Partial<LedgerEntry> = {}): LedgerEntry => ({
  id: freshId(),
  kind: "chat",
  user_id: session.user_id,
  session_id: session.id,
  run_id: freshId() as RunId,
  agent_id: session.agent_id,
  credential_id: freshId() as CredentialId,
  provider: "demo_credential",
  model: "demo-chat",
  input_tokens: 100,
  output_tokens: 10,
  cache_input_tokens: 0,
  cache_creation_input_tokens: 0,
  reasoning_tokens: 0,
  cost: null,
  first_token_ms: 12,
  duration_ms: 340,
  outcome: "completed",
  attempts: 1,
  created_at: time,
  ...changes
})

/** All time, for the tests' purposes. */
export const always = { from: "1970-01-01T00:00:00.000Z" as Timestamp, to: "2999-01-01T00:00:00.000Z" as Timestamp }

/** Calls and tokens of each run, as its events tell of them. */
const told = (events: ReadonlyArray<AgentEvent>) => {
  const sums = new Map<string, Pick<UsageSum, "calls" | typeof tokenNames[number]>>()
  let run = ""
  for (const event of events) {
    if (event.type === "REPLY_START") run = event.run_id
    if (event.type !== "MODEL_CALL_END") continue
    const before = sums.get(run)
    sums.set(run, {
      calls: (before?.calls ?? 0) + 1,
      ...Object.fromEntries(tokenNames.map((name) => [name, (before?.[name] ?? 0) + (event[name] ?? 0)])) as Pick<
        UsageSum,
        typeof tokenNames[number]
      >
    })
  }
  return sums
}

/** Every call that the log says has ended is entered once, with its tokens, and nothing else is. */
export const ledgerTells = Effect.fnUntraced(function*(session: Session, events: ReadonlyArray<AgentEvent>) {
  const ledger = yield* Ledger
  const groups = yield* ledger.groups(session.user_id, {
    ...always,
    group_by: ["session", "run"],
    limit: 10_000,
    after: undefined
  })
  const entered = groups.filter(({ keys: [of] }) => of === session.id).map(({ keys, sum }) =>
    [
      keys[1]!,
      { calls: sum.calls, ...Object.fromEntries(tokenNames.map((name) => [name, sum[name]])) }
    ] as const
  )
  assert.deepEqual(new Map<string, object>(entered), new Map<string, object>(told(events)))
})
