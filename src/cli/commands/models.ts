import { Args, Command } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import { type ModelCard, type Prices, thinkingType } from "../../domain/Model.ts"
import { connect, connection } from "../Connection.ts"
import { optionalText } from "../Inputs.ts"
import { providerOf, typeOf } from "../Model.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"
import { limit } from "../Paging.ts"
import { types } from "./credentials.ts"

type Offer = ModelCard & { readonly provider: string }

/** `2 / 10`: US dollars per million tokens of input and output. */
const price = (prices: Prices | null) => prices === null ? undefined : `${prices.input} / ${prices.output}`

const columns: ReadonlyArray<Column<Offer>> = [
  ["model", ({ name, provider }) => `${provider}:${name}`],
  ["status", ({ status }) => status],
  ["context", ({ context_size }) => context_size, 2],
  ["output", ({ output_size }) => output_size, 3],
  ["$ in / out", ({ prices }) => price(prices)],
  ["label", ({ label }) => label]
]

const perMillion = (name: string, amount: number | undefined) => amount === undefined ? [] : [`${name} ${amount}`]

const rates = ({ cache_write, cached_input, input, output }: Omit<Prices, "tiers">) =>
  [
    ...perMillion("input", input),
    ...perMillion("output", output),
    ...perMillion("cached input", cached_input),
    ...perMillion("cache write", cache_write)
  ].join(", ")

const allPrices = (prices: Prices | null) =>
  prices === null
    ? undefined
    : [rates(prices), ...(prices.tiers ?? []).map((tier) => `over ${tier.above} tokens: ${rates(tier)}`)].join("; ")

const details: ReadonlyArray<Column<ModelCard>> = [
  ["name", ({ name }) => name],
  ["label", ({ label }) => label],
  ["status", ({ deprecated_at, status }) => deprecated_at === null ? status : `${status} (ends ${deprecated_at})`],
  ["context", ({ context_size }) => context_size, 2],
  ["output", ({ output_size }) => output_size, 3],
  ["takes", ({ input_types }) => input_types],
  ["gives", ({ output_types }) => output_types.filter((type) => type !== thinkingType)],
  ["thinks", ({ output_types }) => output_types.includes(thinkingType) ? "yes" : "no"],
  ["$ per million", ({ prices }) => allPrices(prices)],
  ["parameters", ({ parameter_schema }) => Object.keys(parameter_schema["properties"] ?? {})]
]

const list = Command.make(
  "list",
  {
    provider: optionalText("provider", "NAME", "Of this provider only, such as demo"),
    ...limit,
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const providers = Option.isSome(options.provider)
        ? [typeOf(options.provider.value)]
        : types((yield* api.credentials.schemas()).schemas)
      const offers = Stream.mapConcatEffect(Stream.fromIterable(providers), (provider) =>
        Effect.map(api.models.list({ urlParams: { provider } }), ({ models }) =>
          models.map((model): Offer => ({ provider: providerOf(provider), ...model }))))
      yield* printAll(
        options.output,
        columns,
        Option.match(options.limit, {
          onNone: () =>
            offers,
          onSome: (most) =>
            Stream.take(offers, most)
        })
      )
    })
).pipe(Command.withDescription("List what can be talked to, as --model takes it"))

const show = Command.make(
  "show",
  {
    provider: Args.text({ name: "provider" }).pipe(Args.withDescription("Such as demo")),
    name: Args.text({ name: "name" }).pipe(Args.withDescription("The model's name, as the provider has it")),
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const [provider, name] = [typeOf(options.provider), options.name].map(encodeURIComponent) as [string, string]
      yield* printRecord(options.output, details, yield* api.models.get({ path: { provider, name }, urlParams: {} }))
    })
).pipe(Command.withDescription("Show what is known of a model"))

export const models = Command.make("models").pipe(
  Command.withDescription("The models of the providers"),
  Command.withSubcommands([list, show])
)
