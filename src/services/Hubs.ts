import { Context, type Effect } from "effect"
import type { Conflict, Forbidden, Invalid, LimitReached, Malformed, NotFound } from "../domain/Errors.ts"
import type { HubFailed, HubMcpCard, HubSkillCard, HubView } from "../domain/Hub.ts"
import type { McpLibraryServer } from "../domain/McpServer.ts"
import type { Asker } from "../domain/Principal.ts"
import type { LibrarySkill } from "../domain/Skill.ts"

export interface CardsRequest {
  readonly limit: number
  readonly cursor?: string | undefined
  /** All of these words are in what a card says. */
  readonly q?: string | undefined
}

export interface CardPage<Card> {
  readonly cards: ReadonlyArray<Card>
  readonly next_cursor: string | null
}

type Refused = Conflict | Forbidden | HubFailed | Invalid | LimitReached | NotFound

/** The hubs that the operator has named: lists of MCP servers and skills. */
export class Hubs extends Context.Tag("stoa/services/Hubs")<Hubs, {
  /** Those that can be read. */
  readonly list: Effect.Effect<ReadonlyArray<HubView>>
  readonly skills: (
    hub: string,
    request: CardsRequest
  ) => Effect.Effect<CardPage<HubSkillCard>, HubFailed | Malformed | NotFound>
  /** With its `SKILL.md`. */
  readonly skill: (hub: string, card: string) => Effect.Effect<HubSkillCard, HubFailed | NotFound>
  readonly installSkill: (
    asker: Asker,
    hub: string,
    card: string,
    name: string | undefined
  ) => Effect.Effect<LibrarySkill, Refused>
  readonly servers: (
    hub: string,
    request: CardsRequest
  ) => Effect.Effect<CardPage<HubMcpCard>, HubFailed | Malformed | NotFound>
  readonly server: (hub: string, card: string) => Effect.Effect<HubMcpCard, HubFailed | NotFound>
  /** `values` are put into the card's template. */
  readonly installServer: (
    asker: Asker,
    hub: string,
    card: string,
    name: string | undefined,
    values: Readonly<Record<string, string>>
  ) => Effect.Effect<McpLibraryServer, Refused>
}>() {}
