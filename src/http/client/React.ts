/** Hooks for React, over the stores of this folder. `react` is the page's own. */
import {
  createContext,
  createElement,
  type FunctionComponent,
  type ReactNode,
  useContext,
  useMemo,
  useSyncExternalStore
} from "react"
import type { SessionListItem } from "../../domain/Session.ts"
import type { Client, RunListing, SessionListing } from "./Client.ts"
import { polled } from "./Polled.ts"
import type { Calling } from "./Requests.ts"
import type { StoaError } from "./StoaError.ts"
import { type SessionSnapshot, type SessionStore, sessionStore } from "./Store.ts"

const Context = createContext<Client | undefined>(undefined)

export interface StoaProviderProps {
  readonly client: Client
  readonly children?: ReactNode
}

/** Hands the client to the hooks below it. It is made once, outside of components. */
export const StoaProvider: FunctionComponent<StoaProviderProps> = ({ children, client }) =>
  createElement(Context.Provider, { value: client }, children)

/** The client of the `StoaProvider` above. */
export const useStoa = (): Client => {
  const client = useContext(Context)
  if (client === undefined) throw new Error("There is no StoaProvider above this component.")
  return client
}

/** Components that show one session share its connection, of which a browser allows few. */
const shared = new WeakMap<Client, Map<string, WeakRef<SessionStore>>>()

const storeOf = (client: Client, session_id: string): SessionStore => {
  const stores = shared.get(client) ?? new Map<string, WeakRef<SessionStore>>()
  shared.set(client, stores)
  const there = stores.get(session_id)?.deref()
  if (there !== undefined) return there
  for (const [id, store] of stores) if (store.deref() === undefined) stores.delete(id)
  const store = sessionStore(client, session_id)
  stores.set(session_id, new WeakRef(store))
  return store
}

/** A snapshot of a session, and what can be done with it. */
export interface LiveSession
  extends SessionSnapshot, Omit<SessionStore, "close" | "getSnapshot" | "session_id" | "subscribe">
{}

/** A session as it is, for as long as the component is there. */
export const useSession = (session_id: string): LiveSession => {
  const client = useStoa()
  const store = useMemo(() => storeOf(client, session_id), [client, session_id])
  const snapshot = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
  return useMemo(() => {
    const { answer, cancel, loadOlder, reopen, send, stop } = store
    return { ...snapshot, answer, cancel, loadOlder, reopen, send, stop }
  }, [snapshot, store])
}

/** A list that is asked for again while the component is there. */
export interface LiveList {
  readonly isLoaded: boolean
  /** Why the last question failed; the list is that of the one before. */
  readonly error: StoaError | undefined
  readonly refresh: () => Promise<void>
}

/** Milliseconds between two questions. */
const usualPause = 5_000

const useList = <A>(ask: (calling: Calling) => Promise<A>, every: number, listing: object) => {
  const client = useStoa()
  const key = JSON.stringify(listing)
  // What is asked is what the listing says.
  const store = useMemo(() => polled(ask, every), [client, every, key])
  const { error, value } = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getSnapshot)
  const { refresh } = store
  return { value, isLoaded: value !== undefined, error, refresh }
}

/** The newest runs, of all sessions or as the listing narrows them; asked for again each `every` milliseconds. */
export const useRuns = (
  listing: Omit<RunListing, "signal"> = {},
  { every = usualPause }: { readonly every?: number } = {}
): LiveList & Pick<Awaited<ReturnType<Client["runs"]["list"]>>, "runs"> => {
  const client = useStoa()
  const { value, ...list } = useList((calling) => client.runs.list({ ...listing, ...calling }), every, listing)
  return { ...list, runs: value?.runs ?? [] }
}

/** The newest sessions, all or as the listing narrows them; asked for again each `every` milliseconds. */
export const useSessions = (
  listing: Omit<SessionListing, "signal"> = {},
  { every = usualPause }: { readonly every?: number } = {}
): LiveList & { readonly sessions: ReadonlyArray<SessionListItem> } => {
  const client = useStoa()
  const { value, ...list } = useList((calling) => client.sessions.list({ ...listing, ...calling }), every, listing)
  return { ...list, sessions: value?.sessions ?? [] }
}
