/** How answers are kept, when they are asked for again, and what is told of failures. */
import { MutationCache, QueryClient, useMutation, useQueryClient } from "@tanstack/react-query"
import { StoaError } from "stoa/client/StoaError.ts"
import { tell } from "../ui/Toasts.ts"

/** What went wrong, in a sentence for the reader. */
export const sentenceOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** Whether asking again may help: a refusal stays one. */
const isPassing = (error: unknown): boolean =>
  error instanceof StoaError && (error.code === "unreachable" || error.status === 503)

const maxRetries = 2

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => isPassing(error) && count < maxRetries,
      retryDelay: (count) => 500 * 2 ** count,
      // The server may be on this machine while there is no network.
      networkMode: "always"
    },
    mutations: { networkMode: "always" }
  },
  mutationCache: new MutationCache({
    onError: (error, _input, _result, mutation) => {
      if (mutation.meta?.["isQuiet"] !== true) tell({ kind: "bad", text: sentenceOf(error) })
    }
  })
})

interface Change<Input, Output> {
  readonly run: (input: Input) => Promise<Output>
  /** The first words of the queries whose answers are no longer right. */
  readonly changes?: ReadonlyArray<string>
  /** Told when it is done. */
  readonly done?: string
  readonly next?: (output: Output, input: Input) => void
  /** A failure is shown where it was caused, and not also in a corner of the page. */
  readonly isQuiet?: boolean
}

/** Something that changes what the server has. What was read of it before is read again. */
export const useChange = <Output, Input = void>(
  { changes = [], done, isQuiet = false, next, run }: Change<Input, Output>
) => {
  const client = useQueryClient()
  return useMutation({
    mutationFn: run,
    meta: { isQuiet },
    onSuccess: (output: Output, input: Input) => {
      if (done !== undefined) tell({ kind: "ok", text: done })
      next?.(output, input)
      return Promise.all(changes.map((name) => client.invalidateQueries({ queryKey: [name] })))
    }
  })
}
