/** Each credential's gate: its breaker before its limits, so that nobody waits for a provider that is left alone. */
import type { Credential } from "../../domain/Credential.ts"
import * as Breaker from "./Breaker.ts"
import type { Gate } from "./Gate.ts"
import * as Limits from "./Limits.ts"

/** Credentials that are remembered; the least recently used goes first. */
const maxKnown = 10_000

const gateOf = ({ settings }: Credential, options: Breaker.Options): Gate => {
  const breaker = Breaker.make(options)
  const limits = Limits.of(settings)
  if (limits === undefined) return breaker
  const limited = Limits.make(limits)
  return (attempt, hasBegun) => breaker(limited(attempt, hasBegun), hasBegun)
}

/** The same gate for a credential until it is changed: a new key or limit begins anew. */
export const make = (options: Breaker.Options = Breaker.options) => {
  const known = new Map<string, { readonly updated_at: string; readonly gate: Gate }>()
  return (credential: Credential): Gate => {
    const { id, updated_at } = credential
    const before = known.get(id)
    const one = before?.updated_at === updated_at ? before : { updated_at, gate: gateOf(credential, options) }
    known.delete(id)
    known.set(id, one)
    if (known.size > maxKnown) known.delete(known.keys().next().value!)
    return one.gate
  }
}
