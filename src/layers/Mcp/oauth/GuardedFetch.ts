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

/** Some refuse with a status that says that they do not. */
const isRefusal = (text: string): boolean => text.includes("\"error\"") && errorOf(text) !== "{}"

/** Other refusals may be those of somebody between, or pass: nothing is given up because of what they say. */
const isFinal = (status: number) => status === 400 || status === 401

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
  const told = ok ? isRefusal(text) ? errorOf(text) : text : isFinal(status) ? errorOf(text) : "{}"
  return new Response(isEmpty(status) ? null : told, { status, headers: kept })
}
