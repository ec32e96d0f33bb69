/** What a whole shell command must be taken for: the worst of what its parts do. */
import { isInside, type Places } from "../permission/Paths.ts"
import { analyse } from "./Analysis.ts"
import type { Part } from "./Part.ts"

/** From harmless to worst. `unknown` may do anything; `danger` is asked about in every mode. */
const order = ["read", "edit inside", "edit outside", "network", "unknown", "danger"] as const
export type Class = typeof order[number]

const classOfPart = (places: Places, { danger, effect, writes }: Part): Class => {
  if (danger !== undefined) return "danger"
  if (effect !== "edit") return effect
  return writes.every((path) => isInside(places, path)) ? "edit inside" : "edit outside"
}

export const classOf = (command: string, places: Places): Class => {
  const { parts, unclear } = analyse(command, places)
  const found = [
    ...parts.map((part) => classOfPart(places, part)),
    ...unclear === undefined ? [] : ["unknown" as const]
  ]
  return order[Math.max(0, ...found.map((one) => order.indexOf(one)))]!
}
