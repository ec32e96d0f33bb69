/** What the service is asked about sandboxes: to make, find, wake and end them. */
import { Effect, Redacted, Schedule, Schema } from "effect"
import { type Client, E2bFailed, type Sandbox } from "./Client.ts"

/** Most sandboxes in one answer, and most answers that are read. */
const pageSize = 100
const maxPages = 50

const Id = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9_-]{1,128}$/))
const Name = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/))
const Made = Schema.Struct({
  sandboxID: Id,
  domain: Schema.optional(Schema.NullOr(Schema.Union(Name, Schema.Literal("")))),
  // It goes into a header.
  envdAccessToken: Schema.optional(Schema.NullOr(Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]{0,4096}$/))))
})
const Listed = Schema.Struct({
  sandboxID: Id,
  startedAt: Schema.optionalWith(Schema.String, { default: () => "" }),
  metadata: Schema.optional(Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String })))
})

export const strange = () =>
  new E2bFailed({ status: 0, code: undefined, message: "The service of the sandboxes answers with something else" })

const notFound = ({ status }: E2bFailed) => status === 404

export interface Options {
  readonly template: string
  /** Whether programs may reach the internet. */
  readonly internet: boolean
  /** How long a sandbox is awake, in seconds. */
  readonly timeout: number
}

export type Marks = Readonly<Record<string, string>>

const decoded = <A, I>(schema: Schema.Schema<A, I>, body: unknown) =>
  Effect.mapError(Schema.decodeUnknown(schema)(body), strange)

const sandboxOf = (body: unknown) =>
  Effect.map(decoded(Made, body), ({ domain, envdAccessToken, sandboxID }): Sandbox => ({
    id: sandboxID,
    domain: domain === null || domain === "" ? undefined : domain,
    token: (envdAccessToken ?? "") === "" ? undefined : Redacted.make(envdAccessToken!)
  }))

/** A sandbox for a minute, for who only wants to know whether there can be one. */
export const trial = (client: Client, template: string) =>
  Effect.flatMap(
    client.patiently(
      client.api("POST", "/sandboxes", {
        templateID: template,
        timeout: 60,
        metadata: {},
        secure: true,
        allow_internet_access: false
      })
    ),
    ({ body }) => sandboxOf(body)
  )

export const make = (client: Client, { internet, template, timeout }: Options) => {
  /** Those with these marks, the oldest first. */
  const list = (marks: Marks) =>
    Effect.gen(function*() {
      const metadata = new URLSearchParams(marks).toString()
      const found: Array<typeof Listed.Type> = []
      let nextToken: string | null = null
      for (let page = 0; page < maxPages; page++) {
        const query = new URLSearchParams({
          metadata,
          state: "running,paused",
          limit: String(pageSize),
          ...nextToken !== null && { nextToken }
        })
        const { body, headers } = yield* client.patiently(client.api("GET", `/v2/sandboxes?${query}`)).pipe(
          // Some services have only the first version, which knows nothing of those that sleep.
          Effect.catchIf(notFound, () =>
            client.patiently(client.api("GET", `/sandboxes?${new URLSearchParams({ metadata })}`)))
        )
        found.push(...(yield* decoded(Schema.Array(Listed), body)))
        nextToken = headers.get("x-next-token")
        if (nextToken === null || nextToken === "") {
          break
        }
      }
      return found.filter(({ metadata }) =>
        Object.entries(marks).every(([name, value]) => metadata?.[name] === value)
      )
        .toSorted((a, b) => a.startedAt.localeCompare(b.startedAt) || a.sandboxID.localeCompare(b.sandboxID))
    })

  const kill = (id: string) =>
    client.patiently(client.api("DELETE", `/sandboxes/${id}`)).pipe(
      Effect.catchIf(notFound, () => Effect.void),
      Effect.asVoid
    )

  /** Keeps it awake; false where it sleeps by now, or has ended. */
  const extend = (id: string) =>
    Effect.as(client.patiently(client.api("POST", `/sandboxes/${id}/timeout`, { timeout })), true).pipe(
      Effect.catchIf(notFound, () => Effect.succeed(false))
    )

  /** Wakes it where it sleeps; undefined where it has ended. */
  const connect = (id: string) =>
    client.patiently(client.api("POST", `/sandboxes/${id}/connect`, { timeout })).pipe(
      Effect.flatMap(({ body }) => sandboxOf(body)),
      Effect.catchIf(notFound, () => Effect.succeed(undefined))
    )

  const create = (marks: Marks) =>
    client.api("POST", "/sandboxes", {
      templateID: template,
      timeout,
      metadata: marks,
      secure: true,
      autoPause: true,
      allow_internet_access: internet
    }).pipe(
      // Of other failures it is not known whether one was made; it is found by its marks the next time.
      Effect.retry({ while: ({ status }) => status === 429, times: 2, schedule: Schedule.exponential("200 millis") }),
      Effect.flatMap(({ body }) => sandboxOf(body))
    )

  return { connect, create, extend, kill, list }
}
