import { useQuery } from "@tanstack/react-query"
import { Unplug } from "lucide-react"
import { StoaError } from "stoa/client/StoaError.ts"
import { api } from "../api/Api.ts"
import { Notice } from "../ui/Notice.tsx"
import { words } from "../words/words.ts"

/** How often the server is asked how it is, in milliseconds: seldom while it answers, often while it does not. */
const usual = 15_000
const hurried = 1_500

/** What `GET /health` says, also while something is not well. */
export const healthQuery = {
  queryKey: ["health"],
  queryFn: () => api.health.health(),
  retry: false
} as const

/** Says that the server does not answer, and goes by itself when it does again. */
export const Offline = () => {
  const { error } = useQuery({
    ...healthQuery,
    refetchInterval: ({ state }) => state.status === "error" ? hurried : usual
  })
  const isAway = error instanceof StoaError && error.code === "unreachable"
  return (
    <div aria-live="polite">
      {isAway && (
        <div className="px-4 pt-3">
          <Notice kind="warn" icon={Unplug}>
            <strong>{words.app.unreachable}</strong> {words.app.unreachableAbout}
          </Notice>
        </div>
      )}
    </div>
  )
}
