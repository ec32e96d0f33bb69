/**
 * How much of large bodies is in memory: a bound for each owner, so that none
 * takes what the others need, and one for all of them.
 */
import { LimitReached, Unavailable } from "../../domain/Errors.ts"

export interface Options {
  /** Bytes of one owner's bodies, and of everybody's. */
  readonly perOwner: number
  readonly all: number
}

/** Seconds after which a refused body is worth sending again. */
const retry_after = 2

const tooMany = new LimitReached({
  code: "too_many_large_bodies",
  detail: "Too many of your large requests are under way at once. Send this one again when another is done.",
  retry_after
})

const full = new Unavailable({
  code: "too_many_large_bodies",
  detail: "Too many large requests are under way at once. Try again.",
  retry_after
})

export const make = ({ all, perOwner }: Options) => {
  let taken = 0
  const owners = new Map<string, number>()
  return {
    /** Counts so many bytes more, or says why they must not come. */
    take: (owner: string, bytes: number): LimitReached | Unavailable | undefined => {
      const own = (owners.get(owner) ?? 0) + bytes
      if (own > perOwner) return tooMany
      if (taken + bytes > all) return full
      owners.set(owner, own)
      taken += bytes
      return undefined
    },
    give: (owner: string, bytes: number): void => {
      const own = (owners.get(owner) ?? 0) - bytes
      if (own > 0) owners.set(owner, own)
      else owners.delete(owner)
      taken -= bytes
    },
    taken: () => taken
  }
}
