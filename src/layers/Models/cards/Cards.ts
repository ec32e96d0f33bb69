/**
 * The models that are known: YAML files in `cards/<provider>`, one for each
 * model, and in the operator's own folder, whose files change ours or add to
 * them. A provider's folder is read when its cards are first asked for, and kept.
 */
import { Effect } from "effect"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type { JsonObject } from "../../../domain/Json.ts"
import type {
  EmbeddingCard,
  EmbeddingCardDraft,
  ModelCard,
  ModelCardDraft,
  ModelStatus
} from "../../../domain/Model.ts"
import { readFolder } from "./Files.ts"
import { cardOf, merge } from "./Merge.ts"

/** What a provider's models are known to be. */
export interface Catalogue {
  readonly cards: ReadonlyArray<ModelCard>
  readonly byName: ReadonlyMap<string, ModelCard>
  readonly embedding: ReadonlyMap<string, EmbeddingCard>
  /** What the cards were made of. */
  readonly drafts: ReadonlyMap<string, ModelCardDraft>
}

/** What brings cards along, and takes these parameters (a JSON schema). */
export interface Source {
  /** `openai_credential` */
  readonly type: string
  readonly parameters: JsonObject
  readonly cards: ReadonlyArray<ModelCardDraft>
}

/** `openai_credential` → `openai` */
const folderOf = (type: string): string => type.replace(/_credential$/, "")

/** Where ours are, in `src` as in `dist`. */
export const ours = fileURLToPath(new URL(".", import.meta.url))

const order: Readonly<Record<typeof ModelStatus.Type, number>> = { active: 0, deprecated: 1, sunset: 2 }

const parts = (name: string): ReadonlyArray<string> => name.match(/\d+(\.\d+)?|\D+/g) ?? []

/** `gpt-6` before `gpt-5.6`, and else by the alphabet. */
const byName = (a: string, b: string): number => {
  const [left, right] = [parts(a), parts(b)]
  const at = left.findIndex((part, i) => part !== right[i])
  if (at < 0) return left.length - right.length
  const [one = "", other = ""] = [left[at], right[at]]
  return Number(other) - Number(one) || (one < other ? -1 : 1)
}

/** Those that are served first. */
const byUse = (a: Pick<ModelCard, "name" | "status">, b: typeof a): number =>
  order[a.status] - order[b.status] || byName(a.name, b.name)

const embeddingOf = (draft: EmbeddingCardDraft): EmbeddingCard => ({
  type: "embedding_model",
  name: draft.name,
  label: draft.label ?? draft.name,
  status: draft.status ?? "active",
  deprecated_at: draft.deprecated_at ?? null,
  dimensions: draft.dimensions,
  dimension_choices: draft.dimension_choices ?? null,
  max_input_tokens: draft.max_input_tokens,
  max_inputs: draft.max_inputs ?? null,
  prices: draft.prices ?? null
})

const catalogueOf = (
  drafts: ReadonlyMap<string, ModelCardDraft>,
  embedding: Catalogue["embedding"],
  parameters: JsonObject
): Catalogue => {
  const cards = [...drafts.values()].map((draft) => cardOf(draft, parameters)).toSorted(byUse)
  return { cards, byName: new Map(cards.map((card) => [card.name, card])), embedding, drafts }
}

const mergeInto = (drafts: Map<string, ModelCardDraft>, more: ReadonlyArray<ModelCardDraft>) => {
  for (const draft of more) drafts.set(draft.name, merge(drafts.get(draft.name), draft))
}

/** The same with what one credential says of its models. */
export const withOwn = (
  catalogue: Catalogue,
  { parameters }: Source,
  own: ReadonlyArray<ModelCardDraft>
): Catalogue => {
  const drafts = new Map(catalogue.drafts)
  mergeInto(drafts, own)
  return catalogueOf(drafts, catalogue.embedding, parameters)
}

/** Finds a provider's catalogue; `operators` is the operator's own folder. */
export const make = (operators: string | undefined) => {
  const places = [ours, ...(operators === undefined ? [] : [operators])]
  const known = new Map<string, Catalogue>()
  const underWay = new Map<string, Promise<Catalogue>>()
  const unreported: Array<string> = []

  const read = async ({ cards, parameters, type }: Source): Promise<Catalogue> => {
    const folders = await Promise.all(places.map((place) => readFolder(Path.join(place, folderOf(type)))))
    const drafts = new Map<string, ModelCardDraft>()
    const embedding = new Map<string, EmbeddingCard>()
    mergeInto(drafts, cards)
    for (const folder of folders) {
      unreported.push(...folder.problems)
      mergeInto(drafts, folder.chat)
      for (const draft of folder.embedding) embedding.set(draft.name, embeddingOf(draft))
    }
    const sorted = [...embedding.values()].toSorted(byUse)
    const catalogue = catalogueOf(drafts, new Map(sorted.map((card) => [card.name, card])), parameters)
    known.set(type, catalogue)
    return catalogue
  }

  const tell = Effect.suspend(() =>
    Effect.forEach(unreported.splice(0), (problem) => Effect.logWarning(problem), { discard: true })
  )

  return (source: Source): Effect.Effect<Catalogue> =>
    Effect.suspend(() => {
      const before = known.get(source.type)
      if (before !== undefined) return Effect.succeed(before)
      // The read belongs to no caller: a caller that is interrupted does not end it for the others.
      const reading = underWay.get(source.type) ?? read(source)
      underWay.set(source.type, reading)
      return Effect.zipLeft(Effect.promise(() => reading), tell)
    })
}
