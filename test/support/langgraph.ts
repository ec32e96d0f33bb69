/** LangGraph's own SDK as a client of the test host, and connections that break under it. */
import { Client } from "@langchain/langgraph-sdk"
import { Effect } from "effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { TestHost } from "./TestHost.ts"

export const clientOf = (user: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.map(TestHost, ({ url }) =>
    new Client({
      apiUrl: `${url}/langgraph`,
      defaultHeaders: { "x-user-id": user, ...headers },
      callerOptions: { maxRetries: 0 }
    }))

export interface Told {
  readonly id?: string | undefined
  readonly event: string
  // oxlint-disable-next-line typescript/no-explicit-any -- what a client reads has no types
  readonly data: any
}

/** All events of a stream. */
export const eventsOf = (stream: AsyncIterable<Told>): Effect.Effect<ReadonlyArray<Told>> =>
  Effect.promise(async () => {
    const events: Array<Told> = []
    for await (const event of stream) events.push(event)
    return events
  })

export const idsIn = (events: ReadonlyArray<Told>) => events.map(({ id }) => id)

/** The text of the last message of the values. */
export const textIn = (values: unknown): string => {
  const messages = (values as { readonly messages: ReadonlyArray<{ readonly content: string }> }).messages
  return messages.at(-1)!.content
}

/** Headers of one connection, which each of the two has for itself. */
const ofConnection = new Set(["connection", "content-length", "host", "keep-alive", "transfer-encoding"])

const passedOn = (headers: Iterable<readonly [string, string | ReadonlyArray<string> | undefined]>) =>
  Object.fromEntries(
    [...headers].flatMap(([name, value]) => ofConnection.has(name) ? [] : [[name, String(value)] as const])
  )

/** Passes everything on to the port, and breaks the first connection whose answer has this text. */
export const cuttingProxy = (port: number, { after }: { readonly after: string }) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let cuts = 0
      const server = createServer((request, response) => {
        const headers = passedOn(Object.entries(request.headers))
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          void (async () => {
            const answer = await fetch(`http://127.0.0.1:${port}${request.url}`, {
              method: request.method!,
              headers,
              body: chunks.length === 0 ? null : Buffer.concat(chunks)
            })
            response.writeHead(answer.status, passedOn([...answer.headers]))
            let text = ""
            for await (const bytes of answer.body ?? []) {
              text += Buffer.from(bytes).toString()
              const at = cuts === 0 ? text.indexOf(after) : -1
              if (at < 0) {
                response.write(bytes)
                continue
              }
              cuts++
              // All up to the frame goes out, the head of the answer included: one that is reset before is no answer at all.
              response.write(text.slice(text.length - bytes.length, at + after.length))
              response.socket?.destroySoon()
              return
            }
            response.end()
          })().catch(() => response.destroy())
        })
      })
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
      return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cuts: () => cuts }
    }),
    ({ server }) =>
      Effect.promise(async () => {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      })
  )
