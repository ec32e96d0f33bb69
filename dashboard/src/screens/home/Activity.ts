/** What the home screen reads. */
import { useQuery } from "@tanstack/react-query"
import { api } from "../../api/Api.ts"

/** How often it is read again, in milliseconds. */
const every = 5_000
const seldom = 30_000

const day = 24 * 3_600_000

/** Most runs of a day that are looked at. */
const most = 200

export const useRecentRuns = () =>
  useQuery({
    queryKey: ["runs", "recent"],
    queryFn: () => api.runs.list({ urlParams: { limit: most, from: new Date(Date.now() - day).toISOString() } }),
    refetchInterval: every
  })

const midnight = () => {
  const date = new Date()
  date.setHours(0, 0, 0, 0)
  return date.toISOString()
}

export const useUsageToday = () =>
  useQuery({
    queryKey: ["usage", "today"],
    queryFn: () => api.usage.sum({ urlParams: { from: midnight(), group_by: ["day"], limit: 10 } }),
    refetchInterval: seldom
  })
