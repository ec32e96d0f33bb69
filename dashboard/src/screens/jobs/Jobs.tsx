import { useQuery } from "@tanstack/react-query"
import { ListChecks, Trash2 } from "lucide-react"
import { api } from "../../api/Api.ts"
import type { Answer } from "../../api/Lists.ts"
import { useChange } from "../../api/Queries.ts"
import { useWord } from "../../app/Address.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { Button, IconButton } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Field, Select } from "../../ui/Field.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Page } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"

const text = words.admin.jobs

type Job = Answer<"jobs", "list">["jobs"][number]
type Status = Job["status"]

const tones: Readonly<Record<Status, Tone>> = { pending: "accent", done: "ok", dead: "bad" }

const isStatus = (word: string): word is Status => word in tones

const Actions = ({ id, status }: Job) => {
  const path = { job_id: id }
  const retry = useChange({ run: () => api.jobs.retry({ path }), changes: ["jobs"] })
  const remove = useChange({ run: () => api.jobs.remove({ path }), changes: ["jobs"] })
  return status === "dead" && (
    <span className="inline-flex items-center gap-1">
      <Button size="small" isBusy={retry.isPending} onClick={() => retry.mutate()}>{text.retry}</Button>
      <IconButton
        icon={Trash2}
        label={`${words.app.remove}: ${id}`}
        disabled={remove.isPending}
        onClick={() => remove.mutate()}
      />
    </span>
  )
}

const Jobs = () => {
  const [word, setWord] = useWord("status")
  const status = isStatus(word) ? word : undefined
  const query = useQuery({
    queryKey: ["jobs", status ?? ""],
    queryFn: () => api.jobs.list({ urlParams: { limit: 200, ...status !== undefined && { status } } }),
    refetchInterval: 5_000
  })
  return (
    <Page title={text.title} about={text.about}>
      <div className="mb-4 w-48">
        <Field label={text.filter}>
          {(tied) => (
            <Select
              {...tied}
              value={word}
              placeholder={words.app.all}
              options={Object.entries(text.statuses).map(([value, label]) => ({ value, label }))}
              onChange={setWord}
            />
          )}
        </Field>
      </div>
      <Loaded query={query}>
        {({ jobs }) =>
          jobs.length === 0
            ? <Empty icon={ListChecks} title={text.emptyTitle}>{text.emptyAbout}</Empty>
            : (
              <Table
                label={text.title}
                rows={jobs}
                idOf={({ id }) => id}
                columns={[
                  { title: text.kind, cell: ({ kind }) => <span className="font-mono text-xs">{kind}</span> },
                  {
                    title: words.app.status,
                    cell: ({ status }) => <Badge tone={tones[status]}>{text.statuses[status]}</Badge>
                  },
                  { title: text.user, cell: ({ user_id }) => user_id },
                  { title: text.attempts, isNumber: true, cell: ({ attempts }) => attempts },
                  {
                    title: text.runAt,
                    isLess: true,
                    cell: ({ run_at, status }) => status === "pending" ? <Time at={run_at} /> : "–"
                  },
                  { title: text.error, isLess: true, cell: ({ error }) => error ?? "–" },
                  { title: words.app.actions, isUntitled: true, isNumber: true, cell: (job) => <Actions {...job} /> }
                ]}
              />
            )}
      </Loaded>
    </Page>
  )
}

export default Jobs
