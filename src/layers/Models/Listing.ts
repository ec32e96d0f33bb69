/** The connection check: which models a provider's own list names for a credential. */
import { Effect } from "effect"
import type { ModelFailed } from "../../services/Models.ts"
import { failureOf, garbage, silent, webPage } from "./aisdk/Failure.ts"
import * as Body from "./incoming/Body.ts"
import { isPage } from "./incoming/Events.ts"

export interface Listing {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** The names in the answer; undefined when the answer is not a list. */
  readonly names: (body: unknown) => ReadonlyArray<unknown> | undefined
}

/** How long a check may take, in seconds, and longest answer, in bytes. */
const seconds = 20
const maxBytes = 4 * 1024 * 1024

/** The answer's text; what is longer than it may be is cut off. */
const textOf = async (response: Response): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes > maxBytes) break
  }
  return Buffer.concat(chunks).toString()
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `[{ [field]: "name" }, …]` under a name of the body. */
export const named = (list: string, field: string) => (body: unknown): ReadonlyArray<unknown> | undefined => {
  const found: unknown = typeof body === "object" && body !== null ? (body as Record<string, unknown>)[list] : undefined
  return Array.isArray(found)
    ? found.map((one: unknown) =>
      typeof one === "object" && one !== null ? (one as Record<string, unknown>)[field] : undefined
    )
    : undefined
}

const read = async (listing: Listing, fetch: typeof globalThis.fetch, signal: AbortSignal) => {
  const headers = { accept: "application/json", ...listing.headers }
  const response = Body.plain(await fetch(listing.url, { headers, signal }), "list")
  const text = await textOf(response)
  if (!response.ok) {
    return Promise.reject({
      name: "AI_APICallError",
      statusCode: response.status,
      responseBody: text,
      responseHeaders: Object.fromEntries(response.headers)
    })
  }
  const names = listing.names(parsed(text))
  return names === undefined
    ? Promise.reject(isPage(text) ? webPage() : garbage())
    : names.filter((name) => typeof name === "string")
}

export const check = (
  listing: Listing,
  fetch: typeof globalThis.fetch
): Effect.Effect<{ readonly models: ReadonlyArray<string> }, ModelFailed> =>
  Effect.clockWith((clock) =>
    Effect.tryPromise({
      try: (signal) => read(listing, fetch, signal),
      catch: (error) => failureOf(error, false, clock.unsafeCurrentTimeMillis())
    })
  ).pipe(
    Effect.map((models) => ({ models })),
    Effect.timeoutFail({ duration: `${seconds} seconds`, onTimeout: () => silent(seconds, false) })
  )
