/** The tokens of one connection to a server at an address, put into its requests and renewed when they are refused. */
import type * as Official from "@modelcontextprotocol/client"

export interface Tokens {
  /** The token of now, renewed when it is over; undefined when a person has to allow it again. */
  readonly current: () => Promise<string | undefined>
  /** Another one than that which was refused. */
  readonly renew: (used: string | undefined) => Promise<string | undefined>
  /** More is wanted than was allowed. */
  readonly widen: (scope: string | undefined) => Promise<void>
  /** What nobody else may be told. */
  readonly secrets: () => ReadonlyArray<string>
}

type Fetch = (input: string | URL, init: RequestInit) => Promise<Response>

const withToken = (init: RequestInit, token: string): RequestInit => {
  const headers = new Headers(init.headers)
  headers.set("authorization", `Bearer ${token}`)
  return { ...init, headers }
}

const drop = (response: Response) => response.body?.cancel().catch(() => {})

/** A request that is refused is sent once more, with another token: it has not been looked at. */
export const authorized = (
  { extractWWWAuthenticateParams }: Pick<typeof Official, "extractWWWAuthenticateParams">,
  tokens: Tokens,
  fetch: Fetch
): Fetch =>
async (input, init) => {
  const token = await tokens.current()
  if (token === undefined) return new Response(null, { status: 401 })
  const response = await fetch(input, withToken(init, token))
  if (response.status === 403) {
    const { error, scope } = extractWWWAuthenticateParams(response)
    if (error !== "insufficient_scope") return response
    await tokens.widen(scope)
    await drop(response)
    // The official client would try to get more by itself.
    return new Response(null, { status: 403 })
  }
  if (response.status !== 401) return response
  const fresh = await tokens.renew(token)
  if (fresh === undefined) return response
  await drop(response)
  return fetch(input, withToken(init, fresh))
}
