/** The little of node-postgres (a dependency of @effect/sql-pg, without types of its own) that Pg.ts and PgPool.ts use. */
declare module "pg" {
  import type { Duration } from "effect"
  import type { Socket } from "node:net"
  import type { PeerCertificate } from "node:tls"

  /** How TLS is spoken: not at all, as Node does it, or so. */
  export type Ssl = boolean | {
    readonly rejectUnauthorized?: boolean
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    readonly checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined
  }

  export interface Config {
    readonly connectionString: string
    readonly application_name?: string
    readonly keepAlive?: boolean
    readonly keepAliveInitialDelayMillis?: number
    readonly connectionTimeoutMillis?: number
    readonly idleTimeoutMillis?: number
    readonly max?: number
    readonly ssl?: Ssl
    /** Makes a pool's connections. */
    readonly Client?: new(config: Config) => Client
    /** Awaited before a pool's new connection is used. */
    readonly onConnect?: (client: Client) => Promise<unknown>
  }

  export interface Notification {
    readonly channel: string
    readonly payload?: string
  }

  /** A query with a life of its own, such as a cursor. */
  export interface Submittable {
    readonly submit: (connection: unknown) => void
  }

  export type Values = ReadonlyArray<unknown>

  export type Answered = (error: Error | undefined, result: unknown) => void

  export class Client {
    constructor(config: Config)
    readonly host: string
    readonly port: number
    readonly database: string | undefined
    /** The server's process behind the connection. */
    processID: number | null
    readonly connection: { readonly stream: Socket; emit(event: "error", cause: Error): boolean }
    connect(): Promise<void>
    query(sql: string): Promise<unknown>
    query<A extends Submittable>(query: A): A
    query(query: string | Query, answered: Answered): void
    query(query: string | Query, values: Values | undefined, answered: Answered): void
    end(): Promise<void>
    on(event: "notification", listener: (notification: Notification) => void): this
    on(event: "error", listener: (cause: Error) => void): this
    on(event: "end", listener: () => void): this
  }

  export interface Query {
    readonly text: string
    readonly values: ReadonlyArray<unknown>
    readonly name?: string
    /** Our own field, which PgPool reads. */
    readonly answerTimeout?: Duration.Duration
  }

  export type Lent = (error: Error | undefined, client?: Client, release?: (error?: Error) => void) => void

  export class Pool {
    constructor(config: Config)
    readonly options: Config
    connect(lent: Lent): void
    query<Row>(query: string | Query): Promise<{ readonly rows: ReadonlyArray<Row> }>
    end(): Promise<void>
    on(event: "error", listener: (cause: Error) => void): this
    on(event: "acquire" | "remove", listener: (client: Client) => void): this
    on(event: "release", listener: (error: Error | null | undefined, client: Client) => void): this
  }

  export function escapeIdentifier(name: string): string

  const pg: {
    readonly Client: typeof Client
    readonly Pool: typeof Pool
    readonly escapeIdentifier: typeof escapeIdentifier
  }
  export default pg
}
