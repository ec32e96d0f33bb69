/** Short notes in a corner of the page. */
import { useSyncExternalStore } from "react"

export interface Toast {
  readonly id: number
  readonly kind: "ok" | "bad" | "info"
  readonly text: string
}

/** Most notes on the page at once; older ones make room. */
const most = 4

let toasts: ReadonlyArray<Toast> = []
let next = 1
const listeners = new Set<() => void>()

const change = (to: ReadonlyArray<Toast>) => {
  toasts = to
  for (const listener of listeners) listener()
}

export const tell = (toast: Omit<Toast, "id">): void => change([...toasts, { ...toast, id: next++ }].slice(-most))

export const dismiss = (id: number): void => change(toasts.filter((toast) => toast.id !== id))

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

export const useToasts = (): ReadonlyArray<Toast> => useSyncExternalStore(subscribe, () => toasts)
