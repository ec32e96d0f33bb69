/** What several screens read: the reader's own things, whole, since there are seldom more than a page holds. */
import { useQuery } from "@tanstack/react-query"
import type { Api } from "stoa/client/Operations.ts"
import { api } from "./Api.ts"

/** What an operation answers: `Answer<"agents", "get">`. */
export type Answer<G extends keyof Api, E extends keyof Api[G]> = Api[G][E] extends
  (...args: ReadonlyArray<never>) => Promise<infer Result> ? Result : never

export type Agent = Answer<"agents", "get">
export type Credential = Answer<"credentials", "get">
export type Schedule = Answer<"schedules", "get">
export type ModelCard = Answer<"models", "get">

/** Most that one page of a list holds. */
const whole = { urlParams: { limit: 1_000 } }

const agentsQuery = { queryKey: ["agents"], queryFn: () => api.agents.list(whole) }
const credentialsQuery = { queryKey: ["credentials"], queryFn: () => api.credentials.list(whole) }
const schedulesQuery = { queryKey: ["schedules"], queryFn: () => api.schedules.list(whole) }
const providersQuery = {
  queryKey: ["credential-schemas"],
  queryFn: () => api.credentials.schemas(),
  staleTime: Infinity
}

export const modelsQuery = (provider: string, credential_id?: string) => ({
  queryKey: ["models", provider, credential_id ?? ""],
  queryFn: () => api.models.list({ urlParams: { provider, ...credential_id !== undefined && { credential_id } } }),
  enabled: provider !== "",
  staleTime: 60_000
})

export const useAgents = () => useQuery(agentsQuery)
export const useCredentials = () => useQuery(credentialsQuery)
export const useSchedules = () => useQuery(schedulesQuery)
export const useProviders = () => useQuery(providersQuery)

const textOf = (value: unknown): string => typeof value === "string" ? value : ""

/** A credential's data is what its provider's schema says; these two every one has. */
export const typeOf = ({ data }: Credential): string => textOf(data["type"])
export const nameOf = ({ data, id }: Credential): string => textOf(data["name"]) || id
