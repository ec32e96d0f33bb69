/** Light, dark, or as the system has it, remembered in this browser. */
import { useSyncExternalStore } from "react"

export const themes = ["system", "light", "dark"] as const
export type Theme = (typeof themes)[number]

const storageKey = "stoa.theme"

const isTheme = (text: string | null): text is Theme => themes.some((theme) => theme === text)

const read = (): Theme => {
  const text = localStorage.getItem(storageKey)
  return isTheme(text) ? text : "system"
}

let theme = read()
const listeners = new Set<() => void>()

/** Without the attribute the page is as the system has it. */
export const applyTheme = (): void => {
  if (theme === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme
}

export const changeTheme = (to: Theme): void => {
  theme = to
  localStorage.setItem(storageKey, to)
  applyTheme()
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export const useTheme = (): Theme => useSyncExternalStore(subscribe, () => theme)
