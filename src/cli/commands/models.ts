import { Command } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import type { ModelCard } from "../../domain/Model.ts"
import { connect, connection } from "../Connection.ts"
import { optionalText } from "../Inputs.ts"
import { providerOf, typeOf } from "../Model.ts"
import { type Column, output, printAll } from "../Output.ts"
import { limit } from "../Paging.ts"
import { types } from "./credentials.ts"

type Offer = ModelCard & { readonly provider: string }

const columns: ReadonlyArray<Column<Offer>> = [
  ["model", ({ name, provider }) => `${provider}:${name}`],
  ["status", ({ status }) => status],
  ["context", ({ context_size }) => context_size],
  ["output", ({ output_size }) => output_size],
  ["label", ({ label }) => label]
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

export const models = Command.make("models").pipe(
  Command.withDescription("The models of the providers"),
  Command.withSubcommands([list])
)
