/**
 * Other names of a model that has a card: those that its card lists, dated and `-latest` names, names with a vendor in
 * front. A name leads to one card or to none: where two could be meant, or where a provider's dated versions differ
 * from each other, only what a card lists is understood.
 */

/** The card that a name stands for. */
export interface Found {
  /** The card's own name. */
  readonly name: string
  /** Whether the card's prices hold under this name too. */
  readonly priced: boolean
}

/** Finds the card of a name that no card bears. */
export type Resolve = (name: string) => Found | undefined

interface Named {
  readonly name: string
  readonly aliases?: ReadonlyArray<string> | undefined
}

interface Rules {
  /** What stands in front of a name elsewhere: in other tools, in lists of several providers, in addresses. */
  readonly vendors?: RegExp
  /** A day at the end names a version of the same model. */
  readonly dated?: boolean
  /** `X-latest` is X. */
  readonly latest?: boolean
  /** Names of the same model at other prices, or none. */
  readonly elsewhere?: (key: string) => string | undefined
  /** A shorter way to say the same. */
  readonly shorter?: (key: string) => string
  /** Where the model runs, and the model: cards of the same model are told apart by the place. */
  readonly placed?: (key: string) => Placed
}

interface Placed {
  readonly place: string
  readonly model: string
}

/** Longest name that is looked at: longer ones are no model's. */
const longestName = 512

/** Upper and lower case, and dots and dashes within, tell no models apart. */
const keyOf = (name: string): string => name.trim().toLowerCase().replaceAll(".", "-")

/** `-20250929`, `-2025-08-07` or `@20250929` at the end. */
const day = /[-@]20\d\d(-?)(0[1-9]|1[0-2])\1(0[1-9]|[12]\d|3[01])$/

/** `ft:gpt-4.1-mini-2025-04-14:organisation::id`: of the same size, at a higher price. */
const tuned = (key: string) => /^ft:([^:]+):/.exec(key)?.[1]

/** Ways of OpenRouter to choose who serves the model; `:free`, `:extended` and `:thinking` are served otherwise. */
const routed = (key: string) => /^(.+):(nitro|floor|exacto|online)$/.exec(key)?.[1]

/** Ollama's builds of the same weights: `qwen3:8b-q4_K_M`; without a tag it is `:latest`. */
const weights = (key: string) =>
  key.replace(/(-(instruct|it|it-qat))?-(q\d(_[0-9a-z]{1,2}){0,2}|fp16|bf16)$/, "").replace(/:latest$/, "")

/** https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html */
const bedrock = (key: string): Placed => {
  const id = key.replace(/^arn:aws[a-z-]*:bedrock:[^/]*\//, "")
  const [, place = "", model = id] = /^(?:(global|us-gov|us|eu|apac|jp|au|ca|in)-)?(.+)$/.exec(id) ?? []
  // Only Anthropic's names are of one version each.
  return {
    place,
    model: model.startsWith("anthropic-") ? model.replace(/-v1(:0)?$/, "").replace(day, "") : model.replace(/:0$/, "")
  }
}

const openai: Rules = { vendors: /^(azure|openai)\//, dated: true, latest: true, elsewhere: tuned }

const none: Rules = {}

const rulesOf: ReadonlyMap<string, Rules> = new Map(Object.entries({
  anthropic_credential: { vendors: /^anthropic\//, dated: true, latest: true },
  openai_credential: openai,
  azure_openai_credential: openai,
  gemini_credential: { vendors: /^((publishers\/google\/)?models|google|gemini)\//, latest: true },
  xai_credential: { vendors: /^(xai|x-ai)\//, latest: true },
  deepseek_credential: { vendors: /^deepseek\//, latest: true },
  moonshot_credential: { vendors: /^(moonshot|moonshotai)\//, latest: true },
  mistral_credential: { vendors: /^(mistral|mistralai)\// },
  // Each dated version is a model of its own, with prices and sizes of its own.
  dashscope_credential: { vendors: /^(dashscope|alibaba|qwen)\// },
  groq_credential: { vendors: /^groq\// },
  openrouter_credential: { vendors: /^openrouter\//, elsewhere: routed },
  bedrock_credential: { vendors: /^(bedrock|amazon-bedrock)\/(converse\/)?/, placed: bedrock },
  ollama_credential: { vendors: /^(ollama|ollama_chat|library)\//, shorter: weights }
}))

/** A map in which what stands for two names stands for none. */
class Unique {
  readonly #names = new Map<string, string | undefined>()
  add(key: string, name: string): void {
    const before = this.#names.get(key)
    this.#names.set(key, this.#names.has(key) && before !== name ? undefined : name)
  }
  get(key: string): string | undefined {
    return this.#names.get(key)
  }
}

/** For the cards of one type of credential; names that they bear themselves need no resolving. */
export const resolver = (type: string, cards: Iterable<Named>): Resolve => {
  const { dated = false, elsewhere, latest = false, placed, shorter, vendors } = rulesOf.get(type) ?? none
  const own = new Unique()
  const listed = new Unique()
  const derived = new Unique()
  const places = new Map<string, Array<Found & Placed>>()
  for (const { aliases = [], name } of cards) {
    const key = keyOf(name)
    own.add(key, name)
    for (const alias of aliases) listed.add(keyOf(alias), name)
    if (key.includes("/")) derived.add(key.slice(key.lastIndexOf("/") + 1), name)
    if (shorter !== undefined) derived.add(shorter(key), name)
    if (placed === undefined) continue
    const { model, place } = placed(key)
    places.set(model, [...places.get(model) ?? [], { name, model, place, priced: true }])
  }

  /** By what is written; a card's own name goes before what another card lists. */
  const written = (key: string): Found | undefined => {
    const name = own.get(key) ?? listed.get(key) ?? derived.get(key)
    return name === undefined ? undefined : { name, priced: true }
  }

  /** The same model at another place: at other prices, of the same size. */
  const inPlace = (key: string): Found | undefined => {
    if (placed === undefined) return undefined
    const { model, place } = placed(key)
    const cards = places.get(model) ?? []
    const here = cards.find((card) => card.place === place)
    return here ?? (cards[0] === undefined ? undefined : { ...cards[0], priced: false })
  }

  const plain = (key: string): Found | undefined => {
    const found = written(key) ?? inPlace(key) ?? (shorter === undefined ? undefined : written(shorter(key)))
    if (found !== undefined) return found
    if (latest && key.endsWith("-latest")) return written(key.slice(0, -"-latest".length))
    return dated && day.test(key) ? written(key.replace(day, "")) : undefined
  }

  return (name) => {
    if (name.length > longestName) return undefined
    const key = keyOf(name)
    const found = plain(key)
    if (found !== undefined) return found
    const bare = vendors === undefined ? key : key.replace(vendors, "")
    const other = elsewhere?.(bare)
    if (other !== undefined) {
      const base = plain(other)
      return base === undefined ? undefined : { ...base, priced: false }
    }
    return bare === key ? undefined : plain(bare)
  }
}
