/** Places for work: a bound for all of it, for one kind and for one owner. Who waits is let in fairly. */
interface Limits {
  readonly all: number
  readonly ofKind: number
  readonly ofOwner: number
  /** How many may wait, in all and of one owner. */
  readonly waiting: number
  readonly waitingOfOwner: number
}

interface Who {
  readonly owner: string
  readonly kind: string
}

interface Waiting extends Who {
  readonly enter: () => void
}

export interface Place {
  /** Gives the place back, or stops waiting for it. The second time it does nothing. */
  readonly leave: () => void
}

export interface Places {
  /** Calls `enter` at once or later; undefined when too many wait. */
  readonly ask: (who: Who, enter: () => void) => Place | undefined
}

/** Numbers by name, of which those that are 0 are not kept. */
const counting = () => {
  const counts = new Map<string, number>()
  const of = (name: string) => counts.get(name) ?? 0
  return {
    of,
    add: (name: string, by: number) => {
      const after = of(name) + by
      if (after === 0) counts.delete(name)
      else counts.set(name, after)
    }
  }
}

export const make = (limits: Limits): Places => {
  const kinds = counting()
  const owners = counting()
  let all = 0
  const waiting = new Set<Waiting>()
  const waitingOf = counting()

  const count = ({ kind, owner }: Who, by: number) => {
    all += by
    kinds.add(kind, by)
    owners.add(owner, by)
  }
  const isFree = ({ kind, owner }: Who) =>
    all < limits.all && kinds.of(kind) < limits.ofKind && owners.of(owner) < limits.ofOwner

  /** Of those for whom there is a place, the one whose owner has the fewest; among equals the first that came. */
  const next = () => {
    let best: Waiting | undefined
    for (const one of waiting) {
      if (isFree(one) && (best === undefined || owners.of(one.owner) < owners.of(best.owner))) best = one
    }
    return best
  }

  const fill = () => {
    for (let one = next(); one !== undefined; one = next()) {
      waiting.delete(one)
      waitingOf.add(one.owner, -1)
      count(one, 1)
      one.enter()
    }
  }

  return {
    ask: (who, enter) => {
      const one = { ...who, enter }
      let isOver = false
      if (isFree(who)) {
        count(who, 1)
        enter()
      } else {
        if (waiting.size >= limits.waiting || waitingOf.of(who.owner) >= limits.waitingOfOwner) return undefined
        waiting.add(one)
        waitingOf.add(who.owner, 1)
      }
      return {
        leave: () => {
          if (isOver) return
          isOver = true
          if (waiting.delete(one)) {
            waitingOf.add(who.owner, -1)
            return
          }
          count(who, -1)
          fill()
        }
      }
    }
  }
}
