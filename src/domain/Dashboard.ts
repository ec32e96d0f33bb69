/** What an operator chooses about the dashboard, and what its page is told of it. */
import { Schema } from "effect"

/** A text on one line. */
const line = Schema.String.pipe(Schema.pattern(/^[^\r\n]{1,100}$/))
const picture = Schema.String.pipe(Schema.pattern(/^[^\0]{1,4096}\.(svg|png|jpe?g|webp|gif|ico)$/i))

const Choice = Schema.Struct({
  enabled: Schema.optional(Schema.Boolean),
  title: Schema.optional(line),
  subtitle: Schema.optional(line),
  /** Paths of picture files. */
  logo: Schema.optional(picture),
  favicon: Schema.optional(picture),
  accent: Schema.optional(Schema.String.pipe(Schema.pattern(/^#[0-9a-fA-F]{6}$/)))
}).annotations({ parseOptions: { onExcessProperty: "error" } })

export const DashboardSettings = Schema.Union(Schema.Boolean, Choice)
export type DashboardSettings = typeof DashboardSettings.Type

export type DashboardChoice = Omit<typeof Choice.Type, "enabled">

/** Nothing where it is switched off. */
export const dashboardOf = (settings: DashboardSettings): DashboardChoice | undefined =>
  settings === true ? {} : settings === false || settings.enabled === false ? undefined : settings

/**
 * How the page finds out who asks. `local`: it says so itself. `key`: a session that an API key has begun. `outside`:
 * a proxy, or the program around the server, says it.
 */
export type DashboardIdentity = "local" | "key" | "outside"

/** What the page is told before it asks for anything else. */
export interface DashboardConfig {
  readonly title: string
  readonly subtitle: string | null
  /** Whether the operator has pictures of its own. */
  readonly logo: boolean
  readonly favicon: boolean
  /** `#rrggbb` */
  readonly accent: string | null
  readonly identity: DashboardIdentity
}

/** Who asks, as the page is told. */
export interface DashboardSession {
  readonly user_id: string
  readonly scopes: ReadonlyArray<string>
  /** When a session that a key has begun ends by itself; null where there is none. */
  readonly expires_at: string | null
}
