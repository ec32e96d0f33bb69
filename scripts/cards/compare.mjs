/** What two lists say otherwise than the cards. */

/** Sizes that differ by less are the same size, rounded: 1,000,000 for 1,048,576. */
const rounding = 0.05

const thinking = "application/x-thinking"
const sizes = ["context_size", "output_size"]
const rates = ["input", "output", "cached_input", "cache_write"]

const unlike = (a, b) => a !== undefined && b !== undefined && JSON.stringify(a) !== JSON.stringify(b)
const near = (a, b) => Math.abs(a - b) <= rounding * Math.max(a, b)

/** What is not named costs what `input` does; a list that does not name it does not know it. */
const effective = (said, field) => said?.[field] ?? said?.input

const tier = (said, other) => {
  if (said === undefined) return undefined
  return (said.tiers ?? []).map((one, i) =>
    Object.fromEntries([
      ["above", one.above],
      ...rates.map((field) => [
        field,
        other?.tiers?.[i]?.[field] === undefined ? undefined : effective(one, field)
      ])
    ])
  )
}

/** Who is right: both lists, only the first one, or nobody knows. */
const verdictOf = (card, list, second, alike) => {
  if (list === undefined || !unlike(list, card ?? null)) return second === undefined ? undefined : "disputed"
  return second === undefined ? "one source" : alike(list, second) ? "agreed" : "disputed"
}

const rowsOf = (card, list, second) => {
  const rows = []
  const add = (field, card, list, second, alike = (a, b) => !unlike(a, b)) => {
    const verdict = verdictOf(card, list, second, alike)
    if (verdict !== undefined) rows.push({ field, card, list, second, verdict })
  }
  for (const field of sizes) {
    if (list[field] !== undefined && unlike(list[field], card[field] ?? null)) {
      add(field, card[field], list[field], second?.[field], near)
    }
  }
  const images = (card.input_types ?? []).some((type) => type.startsWith("image/"))
  if (images !== list.images) add("images", images, list.images)
  const thinks = (card.output_types ?? []).includes(thinking)
  if (thinks !== list.thinks) add("thinks", thinks, list.thinks)
  for (const field of rates) {
    const has = card.prices && effective(card.prices, field)
    const says = list.prices?.[field]
    const other = second?.prices?.[field]
    if (unlike(says, has ?? null) || unlike(other, has ?? null)) add(`prices.${field}`, has, says, other)
  }
  const steps = (said, other) => said === undefined ? undefined : tier(said, other)
  const [says, other] = [list.prices, second?.prices]
  const differs = (said) =>
    said !== undefined && unlike(steps(said, said), card.prices ? steps(card.prices, said) : null)
  if ((says?.tiers || card.prices?.tiers || other?.tiers) && (differs(says) || differs(other))) {
    add(
      "prices.tiers",
      card.prices?.tiers,
      says && (says.tiers ?? []),
      other && (other.tiers ?? []),
      () => !unlike(steps(says, other), steps(other, says))
    )
  }
  return rows
}

/** Whether a person has decided against these values; `any` stands for whatever a list says. */
const isKnown = (accepted, { card, field, list, second }) => {
  const said = accepted?.[field]
  if (said === undefined) return false
  if (said === "any") return true
  const values = new Set((Array.isArray(said) ? said : [said]).map((value) => JSON.stringify(value)))
  return [list, second].every((value) =>
    value === undefined || !unlike(value, card ?? null) || values.has(JSON.stringify(value))
  )
}

/** Whether the second list knows a model, at these prices. */
const agrees = (list, second) =>
  second?.prices === undefined
    ? undefined
    : rates.every((field) => !unlike(list?.[field], second.prices[field]))

/**
 * Of one provider: rows that differ, models without a card, and cards of models that the list does not have.
 * `resolve` finds a card by any name; `known` is what a person has decided before.
 */
export const compare = ({ cards, known = {}, models, opinion, resolve }) => {
  const byName = new Map(cards.map((card) => [card.name, card]))
  const { accepted = {}, gone = [], skip = [] } = known
  const skipped = new Set(skip)
  const kept = new Set(gone)
  const seen = new Set()
  const rows = []
  const unknown = []
  for (const model of models) {
    const meant = resolve(model.name)
    // At other prices it is another card.
    const found = byName.get(model.name) ?? (meant?.priced === true ? byName.get(meant.name) : undefined)
    // A name that shares a card is compared with it when the list has the card's own name too: it may have moved on.
    if (found !== undefined && found.name !== model.name && models.some(({ name }) => name === found.name)) {
      const away = rowsOf(found, model, undefined).filter(({ field }) => /^(context_size|prices\.)/.test(field))
        .map((row) => ({ model: found.name, ...row, field: `${model.name}: ${row.field}`, verdict: "moved?" }))
      rows.push(...away.filter((row) => !isKnown(accepted[found.name], row)))
      continue
    }
    if (found === undefined) {
      if (!skipped.has(model.name)) {
        const second = opinion(model.name)
        unknown.push({ model, second, agreed: agrees(model.prices, second) })
      }
      continue
    }
    if (seen.has(found.name)) continue
    seen.add(found.name)
    for (const row of rowsOf(found, model, opinion(found.name))) {
      if (!isKnown(accepted[found.name], row)) rows.push({ model: found.name, ...row })
    }
  }
  const missing = cards.filter(({ name, status = "active" }) =>
    !seen.has(name) && status === "active" && !kept.has(name)
  )
    .map(({ name }) => name)
  return { rows, unknown, missing }
}
