/** One server behind `fetch`: requests, and answers that are refusals as errors. It needs nothing of Node, and no package. */
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect
import { aborted, StoaError, unexpected } from "./StoaError.ts"

export interface Calling {
  /** Ends the call; what the server has accepted goes on. */
  readonly signal?: AbortSignal | undefined
}

export interface ClientOptions {
  /**
   * `https://stoa.example.com`, with the path that it is mounted at, if any. In a page also a path of the page's own
   * server, such as `/stoa`, and an empty text for its root.
   */
  readonly url: string
  /** An API key. */
  readonly key?: string | undefined
  /** Whom to act for, where the server believes `X-User-ID`. */
  readonly user?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Whether cookies go with requests; `same-origin` without it, as `fetch` has it. */
  readonly credentials?: "include" | "omit" | "same-origin" | undefined
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Longest wait for the head of an answer, in milliseconds; 30 seconds without it. */
  readonly timeout?: number | undefined
}

/** Query parameters; those that are undefined are left out. */
export type Query = Readonly<Record<string, unknown>>

export interface Request extends Calling {
  /** Sent as JSON; bytes and forms as they are. */
  readonly body?: unknown
  readonly query?: Query | undefined
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined
}

/** Resolves when the head of an answer is there that is no refusal; rejects with a `StoaError`. */
export type Open = (method: string, path: string, request?: Request) => Promise<Response>

const usualTimeout = 30_000

const misused = (message: string) => new StoaError("misused", message)

/** Where a relative address begins, in a page. */
const here = (): string | undefined => {
  const { location } = globalThis as { readonly location?: { readonly href: string } }
  return location?.href
}

const urlOf = (text: string): string => {
  const url = URL.canParse(text, here()) ? new URL(text, here()) : undefined
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw misused("The server's url should read like https://stoa.example.com.")
  }
  if (url.username !== "" || url.password !== "") {
    throw misused("The server's url must not hold a user or a password: give a key.")
  }
  // An empty text means the root of the page's own server, and not the page.
  let pathname = text === "" ? "" : url.pathname
  while (pathname.endsWith("/")) pathname = pathname.slice(0, -1)
  return url.origin + pathname
}

const isSet = <A>(entry: readonly [string, A | undefined]): entry is readonly [string, A] => entry[1] !== undefined

const queryOf = (query: Query): string => {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query).filter(isSet)) {
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one))
  }
  const text = parameters.toString()
  return text === "" ? "" : `?${text}`
}

type Answer = Readonly<Record<string, unknown>>

const isRecord = (value: unknown): value is Answer =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The system's code of a failed request: `ECONNREFUSED` … Browsers tell none. */
export const codeOf = (cause: unknown): string | undefined => {
  if (typeof cause !== "object" || cause === null) return undefined
  if ("code" in cause && typeof cause.code === "string") return cause.code
  if ("errors" in cause && Array.isArray(cause.errors)) return codeOf(cause.errors[0])
  return "cause" in cause ? codeOf(cause.cause) : undefined
}

const sentences = new Map([
  ["ECONNREFUSED", (url: string) => `no server at ${url}.`],
  ["ENOTFOUND", (url: string) => `no host of the name in ${url} is known.`],
  ["EAI_AGAIN", (url: string) => `no host of the name in ${url} is known.`],
  ["ETIMEDOUT", (url: string) => `${url} does not answer.`],
  ["UND_ERR_CONNECT_TIMEOUT", (url: string) => `${url} does not answer.`],
  ["UND_ERR_HEADERS_TIMEOUT", (url: string) => `${url} does not answer.`]
])

const unreachable = (url: string, cause: unknown): StoaError => {
  const code = codeOf(cause)
  const sentence = sentences.get(code ?? "")?.(url) ??
    `the connection to ${url} failed${code === undefined ? "" : ` (${code})`}.`
  return new StoaError("unreachable", sentence, { cause })
}

/** A server says what is wrong with a field in its sentence, mostly. */
const withFields = (detail: string, errors: unknown): string => {
  const more = Array.isArray(errors)
    ? errors.filter((error) =>
      isRecord(error) && typeof error["message"] === "string" && !detail.includes(error["message"])
    )
    : []
  return more.length === 0 ? detail : `${detail} ${more.map(({ message, path }) => `${path}: ${message}`).join("; ")}`
}

/** What an answer of this status says, which is none of those from 200 to 399. `text` is its body. */
export const refusalOf = (
  url: string,
  status: number,
  retryAfter: string | null | undefined,
  text: string
): StoaError => {
  let said: unknown
  try {
    said = JSON.parse(text)
  } catch {
    said = undefined
  }
  // The Agent Gateway's paths say it in an envelope.
  const inner = isRecord(said) ? isRecord(said["error"]) ? said["error"] : said : {}
  const detail = inner["detail"] ?? inner["message"]
  const { code } = inner
  const seconds = Number(retryAfter ?? undefined)
  return new StoaError(
    typeof code === "string" ? code : `http_${status}`,
    typeof detail === "string"
      ? withFields(detail, inner["errors"])
      : `${url} answered with HTTP ${status}, and not as a Stoa server does.`,
    { status, retryAfter: Number.isFinite(seconds) ? seconds : undefined }
  )
}

/** JSON, and what `fetch` takes as it is. */
const bodyOf = (body: unknown): { readonly body?: NonNullable<RequestInit["body"]>; readonly type?: string } =>
  body === undefined
    ? {}
    : body instanceof ArrayBuffer || body instanceof Blob || body instanceof FormData
    ? { body }
    : { body: JSON.stringify(body), type: "application/json" }

export const make = (options: ClientOptions) => {
  const { credentials, fetch = globalThis.fetch.bind(globalThis), key, timeout = usualTimeout, user } = options
  const url = urlOf(options.url)
  const usual = {
    accept: "application/json",
    ...options.headers,
    ...(key !== undefined && { authorization: `Bearer ${key}` }),
    ...(user !== undefined && { "x-user-id": user })
  }

  const open: Open = async (method, path, { headers = {}, query = {}, signal, ...request } = {}) => {
    if (signal?.aborted) throw aborted(signal.reason)
    const { body, type } = bodyOf(request.body)
    const waiting = new AbortController()
    const tooLong = Object.assign(new Error("There is no answer in time."), { code: "ETIMEDOUT" })
    const timer = setTimeout(() => waiting.abort(tooLong), timeout)
    let response: Response
    try {
      response = await fetch(url + path + queryOf(query), {
        method,
        headers: Object.fromEntries(
          Object.entries({ ...usual, ...(type !== undefined && { "content-type": type }), ...headers }).filter(isSet)
        ),
        // The timer ends the wait for the head, and the caller's signal the reading of the body as well.
        signal: signal === undefined ? waiting.signal : AbortSignal.any([signal, waiting.signal]),
        ...(body !== undefined && { body }),
        ...(credentials !== undefined && { credentials })
      })
    } catch (error) {
      if (signal?.aborted) throw aborted(signal.reason)
      throw error instanceof StoaError ? error : unreachable(url, waiting.signal.aborted ? tooLong : error)
    } finally {
      clearTimeout(timer)
    }
    if (response.status < 400) return response
    const text = await response.text().catch(() => "")
    throw refusalOf(url, response.status, response.headers.get("retry-after"), text)
  }

  /** The answer's JSON; undefined for an empty one. Its form is the server's promise, and nothing here checks it. */
  const asked = async <A>(method: string, path: string, request: Request = {}): Promise<A> => {
    const response = await open(method, path, request)
    let text: string
    try {
      text = await response.text()
    } catch (error) {
      if (request.signal?.aborted) throw aborted(request.signal.reason)
      throw unreachable(url, error)
    }
    try {
      return (text === "" ? undefined : JSON.parse(text)) as A
    } catch (error) {
      throw unexpected(error)
    }
  }

  return { url, open, asked }
}

export interface Requests extends ReturnType<typeof make> {}
