/** The hubs of the settings; none without them. */
import { Duration, Effect, Either, Layer, ParseResult, Schema } from "effect"
import { Invalid, LimitReached, Malformed, NotFound } from "../../domain/Errors.ts"
import {
  filled,
  type HubIndex,
  libraryCardOf,
  mcpCardOf,
  type McpEntry,
  mentions,
  skillCardOf,
  type SkillEntry
} from "../../domain/Hub.ts"
import { McpLibraryDraft } from "../../domain/McpServer.ts"
import { mainFile } from "../../domain/SkillFiles.ts"
import * as HeavyWork from "../../services/HeavyWork.ts"
import { type CardPage, type CardsRequest, Hubs } from "../../services/Hubs.ts"
import { Mcp } from "../../services/Mcp.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Skills } from "../../services/Skills.ts"
import * as Index from "./Index.ts"

/** The page that a cursor, the number of cards before it, begins. */
const pageOf = <Entry extends SkillEntry | McpEntry, Card>(
  entries: ReadonlyArray<Entry>,
  { cursor = "0", limit, q = "" }: CardsRequest,
  view: (entry: Entry) => Card
): Either.Either<CardPage<Card>, Malformed> => {
  if (!/^\d{1,6}$/.test(cursor)) {
    return Either.left(new Malformed({ code: "malformed_cursor", detail: "The cursor is none of this list." }))
  }
  const from = Number(cursor)
  const found = q.trim() === "" ? entries : entries.filter((entry) => mentions(entry, q.trim()))
  const to = from + limit
  return Either.right({ cards: found.slice(from, to).map(view), next_cursor: to < found.length ? `${to}` : null })
}

/** Skills that are installed at the same time: of all tenants, of one, and of one that wait. Each has its archive in memory. */
const installing = { slots: 4, perOwner: 1, maxWaiting: 8, timeout: Duration.seconds(60) }

const tooMany = (retry_after: number) =>
  new LimitReached({
    code: "too_many_installs",
    detail: "Too many skills are being installed at once. Try again.",
    retry_after
  })

const decodeDraft = Schema.decodeUnknown(McpLibraryDraft, { errors: "all" })

/** Where the server is wrong, and never what stands there: it may be a secret. */
const unfit = (error: ParseResult.ParseError) =>
  new Invalid({
    detail: "With these values the card makes no server.",
    errors: ParseResult.ArrayFormatter.formatErrorSync(error).slice(0, 8).map(({ path }) => ({
      path: path.join("."),
      message: "Expected another value"
    }))
  })

const make = Effect.fnUntraced(function*(places: ReadonlyArray<string>) {
  const outbound = yield* Outbound
  const skills = yield* Skills
  const mcp = yield* Mcp
  const installs = HeavyWork.make(installing)
  const hubs = yield* Effect.forEach(places, (place) => Index.open(place, outbound))

  /** The first hub of the id. One that cannot be read may be it. */
  const find = Effect.fnUntraced(function*(id: string) {
    const read = yield* Effect.forEach(
      hubs,
      (hub) => Effect.map(Effect.either(hub.index), (index) => ({ hub, index })),
      { concurrency: 4 }
    )
    for (const { hub, index } of read) {
      if (Either.isRight(index) && index.right.hub_id === id) return { hub, index: index.right }
    }
    const failure = read.find(({ index }) => Either.isLeft(index))?.index
    return yield* failure !== undefined && Either.isLeft(failure) ? failure.left : NotFound.of("Hub", id.slice(0, 80))
  })

  const entryOf = <Kind extends "mcp" | "skills">(index: HubIndex, kind: Kind, id: string) => {
    const found = (index[kind] as ReadonlyArray<HubIndex[Kind][number]>).find((entry) => entry.id === id)
    return found === undefined ? Effect.fail(NotFound.of("Card", id.slice(0, 200))) : Effect.succeed(found)
  }

  return Hubs.of({
    list: Effect.map(
      Effect.forEach(hubs, ({ index }) => Effect.option(index), { concurrency: 4 }),
      (found) =>
        found.flatMap((index) =>
          index._tag === "None" ? [] : [{
            hub_id: index.value.hub_id,
            display_name: index.value.display_name === "" ? index.value.hub_id : index.value.display_name,
            description: index.value.description,
            icon_url: index.value.icon_url
          }]
        )
    ),
    skills: (id, request) =>
      Effect.flatMap(find(id), ({ index }) => pageOf(index.skills, request, (entry) => skillCardOf(id, entry))),
    skill: Effect.fnUntraced(function*(id, card) {
      const { hub, index } = yield* find(id)
      const entry = yield* entryOf(index, "skills", card)
      const view = skillCardOf(id, entry)
      return entry.markdown === "" ? { ...view, markdown: (yield* hub.text(entry.source, mainFile)) ?? "" } : view
    }),
    installSkill: Effect.fn("Hubs.installSkill")(function*({ user_id }, id, card, name) {
      const { hub, index } = yield* find(id)
      const entry = yield* entryOf(index, "skills", card)
      const install = Effect.flatMap(hub.skill(entry.source), (source) =>
        // The operator has put it there: the folder may be read for everybody.
        skills.addToLibrary({ user_id, isAdmin: true }, source, {
          shared: false,
          name: name ?? entry.name,
          card: libraryCardOf(id, entry)
        }))
      return yield* Effect.catchTag(
        installs.run(user_id, "processor", install),
        "HeavyWorkRefused",
        ({ retry_after }) => tooMany(retry_after)
      )
    }),
    servers: (id, request) =>
      Effect.flatMap(find(id), ({ index }) => pageOf(index.mcp, request, (entry) => mcpCardOf(id, entry))),
    server: (id, card) =>
      Effect.flatMap(find(id), ({ index }) => Effect.map(entryOf(index, "mcp", card), (entry) => mcpCardOf(id, entry))),
    installServer: Effect.fn("Hubs.installServer")(function*(asker, id, card, name, values) {
      const { index } = yield* find(id)
      const entry = yield* entryOf(index, "mcp", card)
      const { config, missing } = filled(entry.config_template, values)
      if (missing.length > 0) {
        return yield* new Invalid({
          detail: "The server needs more values.",
          errors: missing.map((name) => ({ path: `values.${name}`, message: "Expected a value" }))
        })
      }
      const { author, description, display_name, icon_url, is_stateful, tags, url, version } = entry
      const draft = yield* Effect.mapError(
        decodeDraft({
          name: name ?? entry.name,
          mcp_config: config,
          is_stateful,
          author,
          description,
          display_name,
          icon_url,
          tags,
          url,
          version
        }),
        unfit
      )
      return yield* mcp.addToLibrary(asker, draft, { hub_id: id, card_id: entry.id })
    })
  })
})

export const layer = (places: ReadonlyArray<string>): Layer.Layer<Hubs, never, Mcp | Outbound | Skills> =>
  Layer.scoped(Hubs, make(places))
