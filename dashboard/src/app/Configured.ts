import { createContext, useContext } from "react"
import type { Config } from "../api/Config.ts"

export const Configured = createContext<Config | null>(null)

/** What the server said of itself when the page began. */
export const useConfig = (): Config => {
  const config = useContext(Configured)
  if (config === null) throw new Error("The page has no configuration.")
  return config
}
