import { useQuery } from "@tanstack/react-query"
import { Link, useNavigate } from "@tanstack/react-router"
import { Ban, MessageSquare, Repeat2 } from "lucide-react"
import { useState } from "react"
import { textOf } from "stoa/client/Client.ts"
import { api, client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { usePart } from "../../app/Address.ts"
import { Button, buttonLook } from "../../ui/Button.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { dollars, millis, short, whole } from "../../ui/Numbers.ts"
import { Page, Panel } from "../../ui/Page.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { Events } from "../playground/Events.tsx"
import { isOpen, Status } from "./Status.tsx"
import { Waterfall } from "./Waterfall.tsx"

const text = words.runs

/** How often a run that goes on is read again, in milliseconds. */
const every = 1_000

const Fact = ({ title, value }: { readonly title: string; readonly value: React.ReactNode }) => (
  <div className="rounded-lg border border-line bg-panel px-3 py-2">
    <dt className="text-xs text-muted">{title}</dt>
    <dd className="mt-0.5 text-sm font-semibold tabular-nums">{value}</dd>
  </div>
)

const took = (millis_: number | null) => millis_ === null ? "–" : millis(millis_)

const One = () => {
  const run_id = usePart("run_id")
  const navigate = useNavigate()
  const [hasEvents, setEvents] = useState(false)
  const query = useQuery({
    queryKey: ["runs", run_id],
    queryFn: async () => {
      const [run, timeline] = await Promise.all([client.runs.get(run_id), api.runs.timeline({ path: { run_id } })])
      return { run, timeline }
    },
    refetchInterval: ({ state: { data } }) => data === undefined || isOpen(data.run) ? every : false
  })
  const run = query.data?.run
  const cancel = useChange({ run: () => client.stop(run_id), changes: ["runs"], done: text.cancelled })
  const again = useChange({
    run: () => api.runs.retry({ path: { run_id } }),
    changes: ["runs"],
    next: (made) => void navigate({ to: `/runs/${made.run_id}` })
  })
  return (
    <div className="relative flex h-full">
      <div className="min-w-0 flex-1 overflow-y-auto">
        <Page
          title={text.one}
          about={<span className="font-mono text-xs">{run_id}</span>}
          above={[{ to: "/runs", title: text.title }]}
          actions={run !== undefined && (
            <>
              {isOpen(run)
                ? <Button icon={Ban} isBusy={cancel.isPending} onClick={() => cancel.mutate()}>{text.cancel}</Button>
                : <Button icon={Repeat2} isBusy={again.isPending} onClick={() => again.mutate()}>{text.again}</Button>}
              <Button onClick={() => setEvents(!hasEvents)} aria-pressed={hasEvents}>{text.events}</Button>
              <Link to={`/chat/${run.session_id}`} className={buttonLook("primary")}>
                <MessageSquare aria-hidden className="size-3.5" />
                {text.openChat}
              </Link>
            </>
          )}
        >
          <Loaded query={query}>
            {({ run, timeline }) => {
              const { totals } = timeline
              return (
                <div className="flex flex-col gap-4">
                  <div className="flex flex-wrap items-center gap-3 text-sm text-muted">
                    <Status run={run} />
                    <span>{text.sources[run.source]}</span>
                    <Time at={run.created_at} />
                  </div>
                  {run.error !== null && <Notice kind="bad">{run.error.message}</Notice>}
                  <dl className="grid grid-cols-2 gap-2 sm:grid-cols-4 lg:grid-cols-8">
                    <Fact title={text.duration} value={took(totals.duration_ms)} />
                    <Fact title={text.queued} value={took(totals.queued_ms)} />
                    <Fact title={text.modelTime} value={took(totals.model_ms)} />
                    <Fact title={text.toolTime} value={took(totals.tool_ms)} />
                    <Fact title={text.modelCalls} value={whole(totals.model_calls)} />
                    <Fact title={text.toolCalls} value={whole(totals.tool_calls)} />
                    <Fact
                      title={text.tokens}
                      value={`${short(totals.input_tokens)} / ${short(totals.output_tokens)}`}
                    />
                    <Fact title={text.cost} value={dollars(totals.cost)} />
                  </dl>
                  {!timeline.is_complete && <Notice kind="warn">{text.incomplete}</Notice>}
                  <section className="rounded-lg border border-line bg-panel">
                    <Waterfall timeline={timeline} />
                    {timeline.steps_left_out > 0 && (
                      <p className="px-3 py-2 text-xs text-muted">{text.leftOut(timeline.steps_left_out)}</p>
                    )}
                  </section>
                  {run.input.length > 0 && (
                    <Panel title={text.input}>
                      {run.input.map(({ content, id }) => (
                        <LongText key={id} text={textOf(content)} label={text.input} className="font-sans text-sm" />
                      ))}
                    </Panel>
                  )}
                </div>
              )
            }}
          </Loaded>
        </Page>
      </div>
      {hasEvents && run !== undefined && (
        <Events
          session_id={run.session_id}
          from={run.last_seq ?? run.first_seq ?? undefined}
          onClose={() => setEvents(false)}
        />
      )}
    </div>
  )
}

export default One
