/** Who asks, as the server knows it, and how a session of this browser begins and ends. */
import { useSuspenseQuery } from "@tanstack/react-query"
import { refusalOf } from "stoa/client/Requests.ts"
import type { DashboardSession } from "stoa/domain/Dashboard.ts"
import { ownUrl } from "../app/Place.ts"
import { forgetUser, identified } from "./Identity.ts"

type Session = DashboardSession

const asked = async (method: string, body?: object): Promise<Response> => {
  const url = ownUrl("session")
  const response = await fetch(url, {
    method,
    headers: { ...identified(), ...(body !== undefined && { "content-type": "application/json" }) },
    ...(body !== undefined && { body: JSON.stringify(body) })
  })
  if (response.ok) return response
  throw refusalOf(url, response.status, response.headers.get("retry-after"), await response.text())
}

/** Nothing where it is not known who asks. */
const fetchSession = async (): Promise<Session | null> => {
  const response = await asked("GET")
  return response.json() as Promise<Session | null>
}

export const sessionQuery = { queryKey: ["session"], queryFn: fetchSession, staleTime: 60_000 }

/** Whom this page works for. Nothing below the frame is shown before that is known. */
export const useSession = (): Session => {
  const { data } = useSuspenseQuery(sessionQuery)
  if (data === null) throw new Error("Nobody has signed in.")
  return data
}

export const signIn = async (key: string): Promise<void> => {
  forgetUser()
  await asked("POST", { key })
}

export const signOut = async (): Promise<void> => {
  forgetUser()
  await asked("DELETE")
}
