import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useAgents, useSchedules } from "../../api/Lists.ts"
import { healthQuery } from "../../app/Offline.tsx"
import { Badge } from "../../ui/Badge.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page, Panel } from "../../ui/Page.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { useRecentRuns } from "./Activity.ts"
import { Steps } from "./Steps.tsx"
import { Tiles } from "./Tiles.tsx"

const text = words.home

/** Most lines of a list of this page. */
const most = 6

const Health = () => (
  <Panel title={text.health}>
    <Loaded query={useQuery(healthQuery)} rows={1}>
      {({ components, version }) => (
        <div className="flex flex-wrap items-center gap-2">
          {Object.entries(components).map(([name, state]) => (
            <Badge key={name} tone={state === "ok" ? "ok" : state === "disabled" ? "plain" : "bad"}>
              {text.components[name] ?? name}: {text.states[state]}
            </Badge>
          ))}
          <span className="text-xs text-muted">{text.version(version)}</span>
        </div>
      )}
    </Loaded>
  </Panel>
)

const Failures = () => {
  const agents = useAgents().data?.agents ?? []
  return (
    <Panel title={text.recentErrors}>
      <Loaded query={useRecentRuns()} rows={2}>
        {({ runs }) => {
          const failed = runs.filter(({ error }) => error !== null).slice(0, most)
          return failed.length === 0
            ? <p className="text-sm text-muted">{text.noErrors}</p>
            : (
              <ul className="flex flex-col gap-2 text-sm">
                {failed.map(({ agent_id, created_at, error, id }) => (
                  <li key={id} className="flex gap-3">
                    <Link to={`/runs/${id}`} className="min-w-0 flex-1 truncate">
                      {agents.find((agent) => agent.id === agent_id)?.data.name ?? agent_id}: {error?.message}
                    </Link>
                    <span className="text-muted">
                      <Time at={created_at} />
                    </span>
                  </li>
                ))}
              </ul>
            )
        }}
      </Loaded>
    </Panel>
  )
}

const NextFires = () => (
  <Panel title={text.nextFires}>
    <Loaded query={useSchedules()} rows={2}>
      {({ schedules }) => {
        const next = schedules.filter(({ next_fire_at }) => next_fire_at !== null)
          .toSorted((a, b) => String(a.next_fire_at).localeCompare(String(b.next_fire_at))).slice(0, most)
        return next.length === 0
          ? (
            <p className="text-sm text-muted">
              {text.noFires} <Link to="/schedules/new">{text.plan}</Link>
            </p>
          )
          : (
            <ul className="flex flex-col gap-2 text-sm">
              {next.map(({ data, id, next_fire_at }) => (
                <li key={id} className="flex gap-3">
                  <Link to={`/schedules/${id}`} className="min-w-0 flex-1 truncate">{data.name}</Link>
                  <span className="text-muted">
                    <Time at={next_fire_at} />
                  </span>
                </li>
              ))}
            </ul>
          )
      }}
    </Loaded>
  </Panel>
)

const Home = () => (
  <Page title={text.title} about={text.about}>
    <div className="flex flex-col gap-4">
      <Tiles />
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Steps />
        <div className="flex flex-col gap-4">
          <Health />
          <NextFires />
          <Failures />
        </div>
      </div>
    </div>
  </Page>
)

export default Home
