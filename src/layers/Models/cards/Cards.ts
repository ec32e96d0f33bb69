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
import * as Alias from "./Alias.ts"
import { readFolder } from "./Files.ts"
import { cardOf, merge } from "./Merge.ts"

/** What a provider's models are known to be. */
export interface Catalogue {
  readonly cards: ReadonlyArray<ModelCard>
  readonly byName: ReadonlyMap<string, ModelCard>
  readonly embedding: ReadonlyMap<string, EmbeddingCard>
  /** What the cards were made of. */
  readonly drafts: ReadonlyMap<string, ModelCardDraft>
  /** The chat model that is meant by a name that is no card's. */
  readonly resolve: Alias.Resolve
  readonly resolveEmbedding: Alias.Resolve
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
  { parameters, type }: Source,
  drafts: Catalogue["drafts"],
  { embedding, resolveEmbedding }: Pick<Catalogue, "embedding" | "resolveEmbedding">
): Catalogue => {
  const cards = [...drafts.values()].map((draft) => cardOf(draft, parameters)).toSorted(byUse)
  return {
    cards,
    byName: new Map(cards.map((card) => [card.name, card])),
    embedding,
    drafts,
    resolve: Alias.resolver(type, drafts.values()),
    resolveEmbedding
  }
}

type Drafts = Pick<Catalogue, "drafts" | "resolve">

/** What is known of a model whose card is changed or added: under another name of ours it is the same model. */
const knownOf = ({ drafts, resolve }: Drafts, name: string): ModelCardDraft | undefined => {
  const draft = drafts.get(name)
  if (draft !== undefined) return draft
  const found = resolve(name)
  const { aliases: _, prices, ...same } = drafts.get(found?.name ?? "") ?? { prices: undefined }
  return found && "name" in same ? { ...same, name, ...(found.priced && prices && { prices }) } : undefined
}

/** A draft of a credential or an operator, on top of what is known. */
export const changed = (known: Drafts, draft: ModelCardDraft): ModelCardDraft =>
  merge(knownOf(known, draft.name), draft)

const changedAll = (known: Drafts, more: ReadonlyArray<ModelCardDraft>): Map<string, ModelCardDraft> => {
  const drafts = new Map(known.drafts)
  for (const draft of more) drafts.set(draft.name, changed({ ...known, drafts }, draft))
  return drafts
}

/** The same with what one credential says of its models. */
export const withOwn = (catalogue: Catalogue, source: Source, own: ReadonlyArray<ModelCardDraft>): Catalogue =>
  catalogueOf(source, changedAll(catalogue, own), catalogue)

const underName = (found: Alias.Found, card: ModelCard | undefined): ModelCard | undefined =>
  card === undefined || found.priced ? card : { ...card, prices: null }

/** The card of a model under any of its names; under another name its prices may not be known. */
export const find = ({ byName, resolve }: Catalogue, name: string): ModelCard | undefined => {
  const card = byName.get(name)
  if (card !== undefined) return card
  const found = resolve(name)
  return found && underName(found, byName.get(found.name))
}

/** The same for a model of embeddings. */
export const findEmbedding = ({ embedding, resolveEmbedding }: Catalogue, name: string): EmbeddingCard | undefined =>
  embedding.get(name) ?? embedding.get(resolveEmbedding(name)?.name ?? "")

/** Finds a provider's catalogue; `operators` is the operator's own folder. */
export const make = (operators: string | undefined) => {
  const places = [ours, ...(operators === undefined ? [] : [operators])]
  const known = new Map<string, Catalogue>()
  const underWay = new Map<string, Promise<Catalogue>>()
  const unreported: Array<string> = []

  const read = async (source: Source): Promise<Catalogue> => {
    const { cards, type } = source
    const folders = await Promise.all(places.map((place) => readFolder(Path.join(place, folderOf(type)))))
    let drafts = new Map<string, ModelCardDraft>()
    const embedding = new Map<string, EmbeddingCard>()
    for (const chat of [cards, ...folders.map(({ chat }) => chat)]) {
      drafts = changedAll({ drafts, resolve: Alias.resolver(type, drafts.values()) }, chat)
    }
    for (const folder of folders) {
      unreported.push(...folder.problems)
      for (const draft of folder.embedding) embedding.set(draft.name, embeddingOf(draft))
    }
    const sorted = [...embedding.values()].toSorted(byUse)
    const catalogue = catalogueOf(source, drafts, {
      embedding: new Map(sorted.map((card) => [card.name, card])),
      resolveEmbedding: Alias.resolver(type, sorted)
    })
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
