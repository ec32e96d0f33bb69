/** What the server says of itself to this page before anything else. */
import type { DashboardConfig } from "stoa/domain/Dashboard.ts"
import { ownUrl } from "../app/Place.ts"
import { identified } from "./Identity.ts"

export type Config = DashboardConfig

export const fetchConfig = async (): Promise<Config> => {
  const response = await fetch(ownUrl("config.json"), { headers: identified() })
  if (!response.ok) throw new Error(`The server answered with HTTP ${response.status}.`)
  return response.json() as Promise<Config>
}
