/** Channels speak protocols that are not ours. This is what the operator and an agent's owner say of them. */
import { Schema } from "effect"

export const ChannelName = Schema.String.pipe(
  Schema.pattern(/^[a-z][a-z0-9_]{0,63}$/, {
    message: () => "Expected a channel's name: small letters, digits and underscores"
  })
)

/** Most channels that an agent may name. */
const maxChannels = 64

/** Through which channels an agent can be talked to: all, none, or these. Its owner alone can use any of them. */
export const AgentChannels = Schema.Union(
  Schema.Literal("all", "none"),
  Schema.Array(ChannelName).pipe(Schema.maxItems(maxChannels))
)
export type AgentChannels = typeof AgentChannels.Type

export const isPublished = (channels: AgentChannels, name: string): boolean =>
  typeof channels === "string" ? channels === "all" : channels.includes(name)

/** Segments of a path, of which there may be none. */
const mount = Schema.String.pipe(Schema.pattern(/^(\/[A-Za-z0-9._~-]{1,64}){0,8}$/))

/** Most options of a request that a channel is told to let through. */
const maxOptions = 64

/** Most skills that a card says, tags of one, and characters of a text in a card. */
const maxSkills = 64
const maxTags = 32
const short = Schema.String.pipe(Schema.length({ min: 1, max: 256 }))
const long = Schema.String.pipe(Schema.length({ min: 1, max: 4096 }))
const address = Schema.String.pipe(Schema.pattern(/^https?:\/\/[\x21-\x7e]{1,2000}$/))

/** What the operator has a card say for the server as a whole. */
export const CardChoice = Schema.Struct({
  name: Schema.optional(short),
  description: Schema.optional(long),
  version: Schema.optional(short),
  documentation_url: Schema.optional(address),
  icon_url: Schema.optional(address),
  organization: Schema.optional(short),
  organization_url: Schema.optional(address),
  skills: Schema.optional(
    Schema.Array(Schema.Struct({
      id: short,
      name: short,
      description: long,
      tags: Schema.Array(short).pipe(Schema.minItems(1), Schema.maxItems(maxTags)),
      examples: Schema.optional(Schema.Array(long).pipe(Schema.maxItems(maxTags)))
    })).pipe(Schema.minItems(1), Schema.maxItems(maxSkills))
  )
})
export type CardChoice = typeof CardChoice.Type

const Choice = Schema.Struct({
  /** The path below which the channel answers; each has its own. */
  mount: Schema.optional(mount),
  /** The name or the id of the agent that answers where a request names none. */
  agent: Schema.optional(Schema.String.pipe(Schema.length({ min: 1, max: 256 }))),
  /** A key that was not used for so long gets a new session; 0 is never. */
  idle_hours: Schema.optional(Schema.Number.pipe(Schema.between(0, 87_600))),
  /** What the card of a channel that has one says of the server. */
  card: Schema.optional(CardChoice),
  /** Which options of a request reach an agent. */
  options: Schema.optional(Schema.Union(
    Schema.Literal("all"),
    Schema.Array(Schema.String.pipe(Schema.pattern(/^[a-z][a-z0-9_]{0,63}$/))).pipe(Schema.maxItems(maxOptions))
  ))
}).annotations({ parseOptions: { onExcessProperty: "error" } })

/** By the channel's name: whether it is on, and what is different of it. */
export const ChannelSettings = Schema.Record({ key: Schema.String, value: Schema.Union(Schema.Boolean, Choice) }).pipe(
  Schema.filter((all) => Object.keys(all).every(Schema.is(ChannelName)))
)
export type ChannelSettings = typeof ChannelSettings.Type
