import { useInfiniteQuery } from "@tanstack/react-query"
import { Activity, Ban } from "lucide-react"
import { textOf } from "stoa/client/Client.ts"
import { client } from "../../api/Api.ts"
import { useAgents } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Select } from "../../ui/Field.tsx"
import { Failure } from "../../ui/Loaded.tsx"
import { millis, short } from "../../ui/Numbers.ts"
import { Page } from "../../ui/Page.tsx"
import { plain } from "../../ui/Plain.ts"
import { Skeleton } from "../../ui/Skeleton.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { RunStatus } from "./States.ts"
import { isOpen, Status } from "./Status.tsx"

const text = words.runs

/** Runs of one page, and how often the list is read again, in milliseconds. */
const pageSize = 50
const every = 2_000

/** Characters of an input that are shown. */
const shown = 120

type Run = Awaited<ReturnType<typeof client.runs.list>>["runs"][number]

const inputOf = ({ input }: Run): string =>
  plain(input.map(({ content }) => textOf(content).slice(0, shown)).join(" ").slice(0, shown))

const tookOf = ({ ended_at, started_at }: Run): string =>
  started_at === null ? "–" : millis((ended_at === null ? Date.now() : Date.parse(ended_at)) - Date.parse(started_at))

const Cancel = ({ run }: { readonly run: Run }) => {
  const { isPending, mutate } = useChange({ run: () => client.stop(run.id), changes: ["runs"], done: text.cancelled })
  return isOpen(run)
    ? <IconButton icon={Ban} label={text.cancel} disabled={isPending} onClick={() => mutate()} />
    : null
}

const List = () => {
  const [status, setStatus] = useWord("status")
  const [agent_id, setAgent] = useWord("agent")
  const agents = useAgents().data?.agents ?? []
  const { data, error, fetchNextPage, hasNextPage, isFetchingNextPage, refetch } = useInfiniteQuery({
    queryKey: ["runs", "list", status, agent_id],
    queryFn: ({ pageParam, signal }) =>
      client.runs.list({
        limit: pageSize,
        signal,
        status: RunStatus.find((one) => one === status),
        agent_id: agent_id === "" ? undefined : agent_id,
        ...(pageParam !== "" && { cursor: pageParam })
      }),
    initialPageParam: "",
    getNextPageParam: ({ next_cursor }) => next_cursor,
    refetchInterval: ({ state: { data } }) => (data?.pages.length ?? 0) > 1 ? false : every
  })
  const runs = data?.pages.flatMap(({ runs }) => runs)
  return (
    <Page title={text.title} about={text.about}>
      <div className="mb-3 flex flex-wrap gap-2">
        <Select
          aria-label={text.state}
          className="w-auto!"
          value={status}
          placeholder={`${text.state}: ${words.app.all}`}
          options={RunStatus.map((value) => ({ value, label: text.statuses[value] }))}
          onChange={setStatus}
        />
        <Select
          aria-label={text.agent}
          className="w-auto!"
          value={agent_id}
          placeholder={`${text.agent}: ${words.app.all}`}
          options={agents.map(({ data, id }) => ({ value: id, label: data.name }))}
          onChange={setAgent}
        />
      </div>
      {runs === undefined && (error === null ? <Skeleton rows={6} /> : (
        <Failure
          error={error}
          action={<Button size="small" onClick={() => void refetch()}>{words.app.tryAgain}</Button>}
        />
      ))}
      {runs?.length === 0 && (
        <Empty icon={Activity} title={text.emptyTitle}>
          {status === "" && agent_id === "" ? text.emptyAbout : text.emptyFiltered}
        </Empty>
      )}
      {runs !== undefined && runs.length > 0 && (
        <Table
          label={text.title}
          rows={runs}
          idOf={({ id }) => id}
          to={({ id }) => `/runs/${id}`}
          columns={[
            {
              title: text.input,
              cell: (run) => <span dir="auto" className="block max-w-80 truncate">{inputOf(run) || text.noInput}</span>
            },
            { title: words.app.status, cell: (run) => <Status run={run} /> },
            {
              title: text.agent,
              isLess: true,
              cell: ({ agent_id }) => agents.find(({ id }) => id === agent_id)?.data.name ?? "–"
            },
            { title: text.source, isLess: true, cell: ({ source }) => text.sources[source] },
            {
              title: text.tokens,
              isNumber: true,
              isLess: true,
              cell: ({ usage }) => usage === null ? "–" : short(usage.input_tokens + usage.output_tokens)
            },
            { title: text.took, isNumber: true, cell: tookOf },
            { title: text.began, cell: ({ created_at }) => <Time at={created_at} /> },
            { title: words.app.actions, isUntitled: true, isNumber: true, cell: (run) => <Cancel run={run} /> }
          ]}
        />
      )}
      {hasNextPage && (
        <div className="mt-3 flex justify-center">
          <Button isBusy={isFetchingNextPage} onClick={() => void fetchNextPage()}>{words.app.more}</Button>
        </div>
      )}
    </Page>
  )
}

export default List
