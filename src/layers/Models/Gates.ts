/** Each credential's gate: the circuit breaker comes before the limits, so that no call waits for a provider that is not called. */
import type { Credential } from "../../domain/Credential.ts"
import * as Breaker from "./Breaker.ts"
import type { Gate } from "./Gate.ts"
import * as Limits from "./Limits.ts"

/** Credentials that are remembered; the least recently used goes first. */
const maxKnown = 10_000

const gateOf = ({ settings }: Credential): Gate => {
  const breaker = Breaker.make(Breaker.options)
  const limits = Limits.of(settings)
  if (limits === undefined) return breaker
  const limited = Limits.make(limits)
  return (attempt, hasBegun) => breaker(limited(attempt, hasBegun), hasBegun)
}

/** The same gate for a credential until it is changed: a new key or limit begins anew. */
export const make = () => {
  const known = new Map<string, { readonly updated_at: string; readonly gate: Gate }>()
  return (credential: Credential): Gate => {
    const { id, updated_at } = credential
    const before = known.get(id)
    const one = before?.updated_at === updated_at ? before : { updated_at, gate: gateOf(credential) }
    known.delete(id)
    known.set(id, one)
    if (known.size > maxKnown) known.delete(known.keys().next().value!)
    return one.gate
  }
}
