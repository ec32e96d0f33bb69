/** What the address of a page says, beside which screen it is. */
import { useNavigate, useParams, useSearch } from "@tanstack/react-router"

/** A part of the path: `usePart("agent_id")` on `/agents/$agent_id`. */
export const usePart = (name: string): string => {
  const parts: Readonly<Record<string, string | undefined>> = useParams({ strict: false })
  return parts[name] ?? ""
}

/** A word of the query, so that a tab, a filter or a choice can be linked to; and how it is changed. */
export const useWord = (name: string, usual = ""): readonly [string, (value: string) => void] => {
  const search: Readonly<Record<string, unknown>> = useSearch({ strict: false })
  const navigate = useNavigate()
  const value = search[name]
  const change = (to: string) =>
    void navigate({
      to: ".",
      replace: true,
      search: (before: Readonly<Record<string, unknown>>) => ({ ...before, [name]: to === usual ? undefined : to })
    })
  return [value === undefined ? usual : String(value), change]
}
