/** The little of node-postgres (a dependency of @effect/sql-pg, without types of its own) that Pg.ts uses. */
declare module "pg" {
  export interface Config {
    readonly connectionString: string
    readonly application_name?: string
    readonly keepAlive?: boolean
    readonly connectionTimeoutMillis?: number
    readonly idleTimeoutMillis?: number
    readonly max?: number
    readonly statement_timeout?: number
    readonly idle_in_transaction_session_timeout?: number
  }

  export interface Notification {
    readonly channel: string
    readonly payload?: string
  }

  export class Client {
    constructor(config: Config)
    readonly host: string
    readonly port: number
    readonly database: string | undefined
    connect(): Promise<void>
    query(sql: string): Promise<unknown>
    end(): Promise<void>
    on(event: "notification", listener: (notification: Notification) => void): this
    on(event: "error", listener: (cause: Error) => void): this
    on(event: "end", listener: () => void): this
  }

  export interface Query {
    readonly text: string
    readonly values: ReadonlyArray<unknown>
    readonly name?: string
  }

  export class Pool {
    constructor(config: Config)
    readonly options: Config
    query<Row>(query: string | Query): Promise<{ readonly rows: ReadonlyArray<Row> }>
    end(): Promise<void>
    on(event: "error", listener: (cause: Error) => void): this
  }

  export function escapeIdentifier(name: string): string

  const pg: {
    readonly Client: typeof Client
    readonly Pool: typeof Pool
    readonly escapeIdentifier: typeof escapeIdentifier
  }
  export default pg
}
