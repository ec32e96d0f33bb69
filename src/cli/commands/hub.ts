import { Args, Command, Options } from "@effect/cli"
import { Effect, Option, Stream } from "effect"
import type { HubMcpCard, HubSkillCard } from "../../domain/Hub.ts"
import { connect, connection } from "../Connection.ts"
import { misused } from "../Failed.ts"
import { optionalText } from "../Inputs.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"

interface CardPage {
  readonly cards: ReadonlyArray<HubMcpCard | HubSkillCard>
  readonly next_cursor: string | null
}

type Card = { readonly kind: "skill" | "mcp" } & (HubMcpCard | HubSkillCard)

const columns: ReadonlyArray<Column<Card>> = [
  ["hub", ({ hub_id }) => hub_id],
  ["kind", ({ kind }) => kind],
  ["card", ({ id }) => id],
  ["version", ({ version }) => version, 1],
  ["description", ({ description }) => description]
]

const details: ReadonlyArray<Column<Card>> = [
  ...columns,
  ["name", ({ name }) => name],
  ["author", ({ author }) => author],
  ["tags", ({ tags }) => tags.join(", ")],
  [
    "values",
    (card) => "inputs_schema" in card ? Object.keys(Object(card.inputs_schema?.["properties"] ?? {})).join(", ") : ""
  ]
]

const installed: ReadonlyArray<Column<{ readonly id: string; readonly name: string }>> = [
  ["id", ({ id }) => id],
  ["name", ({ name }) => name]
]

const common = { ...output, ...connection }

/** Cards of one page. */
const atOnce = 100

const kind = Options.choice("kind", ["skill", "mcp"] as const).pipe(
  Options.withDescription("Skills, or MCP servers"),
  Options.withDefault("skill" as const)
)

const hub = Args.text({ name: "hub" }).pipe(Args.withDescription("The hub's id"))
const card = Args.text({ name: "card" }).pipe(Args.withDescription("The card's id"))

/** Ids are parts of a path. */
const pathOf = ({ card, hub }: { readonly card: string; readonly hub: string }) => ({
  hub_id: encodeURIComponent(hub),
  card_id: encodeURIComponent(card)
})

const search = Command.make(
  "search",
  {
    words: Args.text({ name: "words" }).pipe(Args.withDescription("What cards must say"), Args.repeated),
    kind: Options.choice("kind", ["skill", "mcp"] as const).pipe(
      Options.withDescription("Skills or MCP servers; both without it"),
      Options.optional
    ),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const q = options.words.join(" ")
      const kinds = Option.match(options.kind, { onNone: () => ["skill", "mcp"] as const, onSome: (kind) => [kind] })
      const cardsOf = (hub_id: string) => (kind: Card["kind"]) =>
        all(options.limit, ({ cursor, limit }) => {
          const path = { hub_id: encodeURIComponent(hub_id) }
          const urlParams = {
            limit: Math.min(limit, atOnce),
            ...cursor !== undefined && { cursor },
            ...q !== "" && { q }
          }
          const shown = ({ cards, next_cursor }: CardPage) => ({
            items: cards.map((card): Card => ({ ...card, kind })),
            next: next_cursor
          })
          return kind === "skill"
            ? Effect.map(api.hubs.skillCards({ path, urlParams }), shown)
            : Effect.map(api.hubs.mcpCards({ path, urlParams }), shown)
        })
      const cards = Stream.fromIterable(yield* api.hubLists.skillHubs()).pipe(
        Stream.flatMap(({ hub_id }) => Stream.flatMap(Stream.fromIterable(kinds), cardsOf(hub_id)))
      )
      yield* printAll(
        options.output,
        columns,
        Option.match(options.limit, { onNone: () => cards, onSome: (most) => Stream.take(cards, most) })
      )
    })
).pipe(Command.withDescription("Look for skills and MCP servers in the hubs of the server"))

const show = Command.make("show", { hub, card, kind, ...common }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* connect(options)
    const path = pathOf(options)
    const one: Card = options.kind === "skill"
      ? { ...yield* api.hubs.skillCard({ path }), kind: "skill" }
      : { ...yield* api.hubs.mcpCard({ path }), kind: "mcp" }
    yield* printRecord(options.output, details, one)
  })).pipe(Command.withDescription("Show a card of a hub"))

const install = Command.make(
  "install",
  {
    hub,
    card,
    kind,
    name: optionalText("name", "NAME", "The name in the library; its own without it"),
    value: Options.text("value").pipe(
      Options.withPseudoName("NAME=VALUE"),
      Options.withDescription("A value that an MCP server needs; may be repeated"),
      Options.repeated
    ),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const path = pathOf(options)
      if (options.kind === "skill") {
        const urlParams = Option.match(options.name, { onNone: () => ({}), onSome: (name) => ({ name }) })
        return yield* printRecord(options.output, installed, yield* api.hubs.installSkill({ path, urlParams }))
      }
      const values: Record<string, string> = {}
      for (const text of options.value) {
        const at = text.indexOf("=")
        if (at < 1) return yield* misused("--value is a name and a value with \"=\" between them.")
        values[text.slice(0, at)] = text.slice(at + 1)
      }
      const payload = { name: Option.getOrNull(options.name), values }
      yield* printRecord(options.output, installed, yield* api.hubs.installMcp({ path, payload }))
    })
).pipe(Command.withDescription("Install a skill or an MCP server of a hub into your library"))

export const hubCommand = Command.make("hub").pipe(
  Command.withDescription("Skills and MCP servers that the server's operator offers"),
  Command.withSubcommands([search, show, install])
)
