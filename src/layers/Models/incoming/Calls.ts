/**
 * The one `fetch` that the packages get. A client outlives the calls that are made
 * through it, so each request finds the call that it belongs to by the signal
 * that ends both.
 */

export interface Call {
  readonly fetch: typeof globalThis.fetch
  /** What is done with the answer before the package reads it. */
  readonly read: (response: Response) => Response | Promise<Response>
}

const calls = new WeakMap<AbortSignal, Call>()

/** Requests with this signal belong to the call. */
export const begin = (signal: AbortSignal, call: Call): void => {
  calls.set(signal, call)
}

export const fetch: typeof globalThis.fetch = async (input, init) => {
  const call = init?.signal == null ? undefined : calls.get(init.signal)
  if (call === undefined) throw new TypeError("A request was made outside of a call.")
  return call.read(await call.fetch(input, init))
}
