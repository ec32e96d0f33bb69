/** Agent cards: what this server says of itself to everybody, and of agents to their owner. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import type { Agent } from "../../../domain/Agent.ts"
import type { CardChoice } from "../../../domain/Channel.ts"
import { json } from "./Parts.ts"
import { outputModes } from "./Reading.ts"
import { protocolVersion } from "./Versions.ts"

/** Kinds of parts that agents take; which of them a model takes is said when it is asked. */
const inputModes = ["text/plain", json, "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"]

/** Seconds for which a card may be kept. */
const maxAge = 60

interface Skill {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly tags: ReadonlyArray<string>
}

const describedAs = ({ data: { description, name } }: Agent): string =>
  description === undefined || description.trim() === "" ? `The agent ${name}.` : description

/** What an agent can be asked for. The protocol wants a tag at least. */
const skillOf = (agent: Agent): Skill => ({
  id: agent.id,
  name: agent.data.name,
  description: describedAs(agent),
  tags: ["agent"]
})

const conversation: Skill = {
  id: "conversation",
  name: "Conversation",
  description: "Talks with the agents of whoever asks. The extended card lists them.",
  tags: ["agent", "chat"]
}

const ownVersion = "1.0.0"

const common = (url: string) => ({
  supportedInterfaces: ["JSONRPC", "HTTP+JSON"].map((protocolBinding) => ({ url, protocolBinding, protocolVersion })),
  capabilities: { streaming: true, pushNotifications: true, extendedAgentCard: true },
  securitySchemes: {
    key: { httpAuthSecurityScheme: { scheme: "Bearer", description: "An API key: stoa_…" } }
  },
  securityRequirements: [{ schemes: { key: { list: [] } } }],
  defaultInputModes: inputModes,
  defaultOutputModes: outputModes
})

/** What everybody may know: no agent, because those belong to somebody; and what the operator has it say. */
export const ofServer = (url: string, card: CardChoice = {}) => ({
  ...common(url),
  name: card.name ?? "Stoa",
  description: card.description ?? "Agents that answer over A2A. Who asks is known by an API key.",
  version: card.version ?? ownVersion,
  ...(card.documentation_url !== undefined && { documentationUrl: card.documentation_url }),
  ...(card.icon_url !== undefined && { iconUrl: card.icon_url }),
  ...(card.organization !== undefined && {
    provider: { organization: card.organization, url: card.organization_url ?? "" }
  }),
  skills: card.skills ?? [conversation]
})

/** The same for an owner, with the agents that are published here. */
export const ofOwner = (url: string, agents: ReadonlyArray<Agent>, card: CardChoice = {}) => ({
  ...ofServer(url, card),
  ...(agents.length > 0 && { skills: agents.map(skillOf) })
})

export const ofAgent = (url: string, agent: Agent) => ({
  name: agent.data.name,
  description: describedAs(agent),
  version: ownVersion,
  ...common(url),
  skills: [skillOf(agent)]
})

/** A card with its tag: whoever has it already gets no second one. */
export const answer = (card: object, visibility: "public" | "private") =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const body = JSON.stringify(card)
    const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`
    const told = { etag, "cache-control": `${visibility}, max-age=${maxAge}`, vary: "authorization" }
    return headers["if-none-match"] === etag
      ? HttpServerResponse.empty({ status: 304, headers: told })
      : HttpServerResponse.text(body, { contentType: json, headers: told })
  })
