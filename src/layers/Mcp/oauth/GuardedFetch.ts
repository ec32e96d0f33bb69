/** Requests to authorization servers: through the guard, small and quick. */
import type { Outbound } from "../../../services/Outbound.ts"

/** Longest time for one request, in milliseconds, and longest answer, in bytes. */
const requestTimeout = 10_000
const maxAnswer = 256 * 1024

const errorOf = (text: string): string => {
  try {
    const error: unknown = JSON.parse(text).error
    return typeof error === "string" && /^[a-z_]{1,64}$/.test(error) ? JSON.stringify({ error }) : "{}"
  } catch {
    return "{}"
  }
}

const isEmpty = (status: number) => status === 204 || status === 205 || status === 304

const read = async ({ body }: Response): Promise<string> => {
  if (body === null) return ""
  const pieces: Array<Uint8Array> = []
  let size = 0
  for await (const piece of body) {
    size += piece.length
    if (size > maxAnswer) throw new TypeError("The answer is too long.")
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString("utf8")
}

/** Of a refusal nothing is left but its code: the official client prints the words of an answer. */
export const make = ({ fetch }: typeof Outbound.Service): typeof globalThis.fetch => async (input, init = {}) => {
  const limit = AbortSignal.timeout(requestTimeout)
  const signal = init.signal == null ? limit : AbortSignal.any([init.signal, limit])
  const response = await fetch(input, { ...init, signal })
  const text = await read(response)
  const { headers, ok, status } = response
  const kept = new Headers()
  for (const name of ["content-type", "www-authenticate"]) {
    const value = headers.get(name)
    if (value !== null) kept.set(name, value)
  }
  return new Response(isEmpty(status) ? null : ok ? text : errorOf(text), { status, headers: kept })
}
