/** The first of each owner, then the second of each, and so on: one who has much does not keep the others waiting. */
export const fairly = <A extends { readonly owner: string }>(
  items: ReadonlyArray<A>,
  limit: number,
  perOwner: number
): ReadonlyArray<A> => {
  const places = new Map<string, number>()
  return items
    .map((item) => {
      const place = places.get(item.owner) ?? 0
      places.set(item.owner, place + 1)
      return { item, place }
    })
    .filter(({ place }) => place < perOwner)
    // The sort is stable, so that within a round the order stays.
    .toSorted((a, b) => a.place - b.place)
    .slice(0, limit)
    .map(({ item }) => item)
}
