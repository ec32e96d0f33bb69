/** The official client of MCP against the test host, in both generations of the protocol. */
import {
  type CallToolResult,
  Client,
  type ElicitResult,
  StreamableHTTPClientTransport
} from "@modelcontextprotocol/client"
import { Effect, type Scope } from "effect"

/** The mode in which the client connects, by the revision that it speaks then. */
export const revisions = ["2025-11-25", "2026-07-28"] as const
export type Revision = (typeof revisions)[number]

interface Asked {
  readonly message: string
  readonly requestedSchema: { readonly properties: Readonly<Record<string, object>> }
}

export interface Connecting {
  readonly revision: Revision
  /** What a person answers to a form; without it the client shows none. */
  readonly answers?: (asked: Asked) => ElicitResult | Promise<ElicitResult>
  readonly fetch?: typeof fetch
}

/** A client that is connected, until the scope closes. */
export const connected = (
  url: string,
  key: string,
  { answers, fetch: over, revision }: Connecting
): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = new Client({ name: "test", version: "1" }, {
        capabilities: answers === undefined ? {} : { elicitation: {} },
        versionNegotiation: { mode: revision === "2025-11-25" ? "legacy" : { pin: revision } }
      })
      if (answers !== undefined) {
        client.setRequestHandler("elicitation/create", ({ params }) => answers(params as unknown as Asked))
      }
      const transport = new StreamableHTTPClientTransport(new URL(`${url}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${key}` } },
        reconnectionOptions: {
          initialReconnectionDelay: 50,
          maxReconnectionDelay: 200,
          reconnectionDelayGrowFactor: 1,
          maxRetries: 50
        },
        ...over !== undefined && { fetch: over }
      })
      await client.connect(transport)
      return client
    }),
    (client) => Effect.promise(() => client.close())
  )

/** The words of a result. */
export const textOf = ({ content }: Pick<CallToolResult, "content">): string =>
  content.map((item) => item.type === "text" ? item.text : `(${item.type})`).join("\n\n")
