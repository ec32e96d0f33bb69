import { useQuery } from "@tanstack/react-query"
import { ChartColumn, Download } from "lucide-react"
import { useMemo } from "react"
import { api } from "../../api/Api.ts"
import { type Answer, nameOf, useAgents, useCredentials } from "../../api/Lists.ts"
import { useProviderTitle } from "../../api/Providers.ts"
import { useSession } from "../../api/Session.ts"
import { useWord } from "../../app/Address.ts"
import { Button } from "../../ui/Button.tsx"
import { Empty } from "../../ui/Empty.tsx"
import { Field, Select } from "../../ui/Field.tsx"
import { Loaded } from "../../ui/Loaded.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { dollars, whole } from "../../ui/Numbers.ts"
import { Page, Panel } from "../../ui/Page.tsx"
import { Table } from "../../ui/Table.tsx"
import { words } from "../../words/words.ts"
import { Chart } from "./Chart.tsx"
import { csvOf, download } from "./Csv.ts"

const text = words.usage

type Row = Answer<"admin", "usage">["usage"][number]
type Group = keyof typeof text.groups

const isGroup = (word: string): word is Group => word in text.groups

const periods = [7, 30, 90]
const day = 24 * 3_600_000

/** Most rows of one answer. */
const most = 1_000

const useUsage = (by: Group, days: number, isOfAll: boolean) =>
  useQuery({
    queryKey: ["usage", by, days, isOfAll],
    queryFn: (): Promise<Answer<"admin", "usage">> => {
      const from = new Date(Date.now() - days * day).toISOString()
      return isOfAll
        ? api.admin.usage({ urlParams: { from, group_by: [by], limit: most } })
        : api.usage.sum({ urlParams: { from, group_by: by === "user" ? ["day"] : [by], limit: most } })
    },
    refetchInterval: 60_000
  })

const useNames = () => {
  const agents = useAgents().data?.agents ?? []
  const credentials = useCredentials().data?.credentials ?? []
  const titleOf = useProviderTitle()
  return (row: Row, by: Group): string => {
    const { agent_id, credential_id, model, provider, user_id } = row
    switch (by) {
      case "agent":
        return agents.find(({ id }) => id === agent_id)?.data.name ?? agent_id ?? "–"
      case "credential": {
        const credential = credentials.find(({ id }) => id === credential_id)
        return credential === undefined ? credential_id ?? "–" : nameOf(credential)
      }
      case "provider":
        return titleOf(provider ?? "–")
      case "model":
        return model ?? "–"
      case "user":
        return user_id ?? "–"
      case "day":
        return row.day ?? "–"
    }
  }
}

const Daily = ({ days, isOfAll }: { readonly days: number; readonly isOfAll: boolean }) => {
  const { data } = useUsage("day", days, isOfAll)
  const points = useMemo(
    () => {
      const known = new Map((data?.usage ?? []).map((row) => [row.day, row]))
      return Array.from({ length: days }, (_, back) => {
        const name = new Date(Date.now() - (days - 1 - back) * day).toISOString().slice(0, 10)
        const row = known.get(name)
        return { day: name, input: row?.input_tokens ?? 0, output: row?.output_tokens ?? 0 }
      })
    },
    [data, days]
  )
  return data === undefined ? null : (
    <Panel title={text.chart}>
      <Chart days={points} />
    </Panel>
  )
}

const Usage = () => {
  const isAdmin = useSession().scopes.includes("admin")
  const [period, setPeriod] = useWord("days", "30")
  const [grouping, setGrouping] = useWord("by", "model")
  const [whose, setWhose] = useWord("of", "mine")
  const isOfAll = isAdmin && whose === "all"
  const days = periods.find((count) => String(count) === period) ?? 30
  const by = isGroup(grouping) ? grouping : "model"
  const nameOfRow = useNames()
  const query = useUsage(by, days, isOfAll)
  const groups = Object.entries(text.groups).filter(([name]) => name !== "user" || isOfAll)
  const save = () =>
    download(
      `usage-${by}-${days}.csv`,
      csvOf([
        [text.groups[by], text.calls, text.errors, text.input, text.output, text.cached, text.cost],
        ...(query.data?.usage ?? []).map((row) => [
          nameOfRow(row, by),
          row.calls,
          row.errors,
          row.input_tokens,
          row.output_tokens,
          row.cache_input_tokens,
          row.cost
        ])
      ]),
      "text/csv"
    )
  return (
    <Page
      title={text.title}
      about={text.about}
      actions={<Button icon={Download} disabled={query.data === undefined} onClick={save}>{text.export}</Button>}
    >
      <div className="mb-4 flex flex-wrap gap-3">
        <Field label={text.period}>
          {(tied) => (
            <Select
              {...tied}
              value={String(days)}
              options={periods.map((count) => ({ value: String(count), label: text.days(count) }))}
              onChange={setPeriod}
            />
          )}
        </Field>
        <Field label={text.by}>
          {(tied) => (
            <Select
              {...tied}
              value={by}
              options={groups.map(([value, label]) => ({ value, label }))}
              onChange={setGrouping}
            />
          )}
        </Field>
        {isAdmin && (
          <Field label={text.whose}>
            {(tied) => (
              <Select
                {...tied}
                value={isOfAll ? "all" : "mine"}
                options={[{ value: "mine", label: text.mine }, { value: "all", label: text.everybody }]}
                onChange={setWhose}
              />
            )}
          </Field>
        )}
      </div>
      <Loaded query={query}>
        {({ totals, usage }) =>
          totals.calls === 0
            ? <Empty icon={ChartColumn} title={text.emptyTitle}>{text.emptyAbout}</Empty>
            : (
              <div className="flex flex-col gap-4">
                <Daily days={days} isOfAll={isOfAll} />
                {totals.unpriced_calls > 0 && <Notice>{text.unpriced(totals.unpriced_calls)}</Notice>}
                <Table<Row>
                  label={text.title}
                  rows={usage}
                  idOf={(row) => nameOfRow(row, by)}
                  columns={[
                    { title: text.groups[by], cell: (row) => nameOfRow(row, by) },
                    { title: text.calls, isNumber: true, cell: ({ calls }) => whole(calls) },
                    { title: text.errors, isNumber: true, cell: ({ errors }) => whole(errors) },
                    { title: text.input, isNumber: true, cell: ({ input_tokens }) => whole(input_tokens) },
                    { title: text.output, isNumber: true, cell: ({ output_tokens }) => whole(output_tokens) },
                    {
                      title: text.cached,
                      isNumber: true,
                      isLess: true,
                      cell: ({ cache_input_tokens }) => whole(cache_input_tokens)
                    },
                    { title: text.cost, isNumber: true, cell: ({ cost }) => dollars(cost) }
                  ]}
                />
                <p className="text-right text-sm">
                  {text.total}: <strong>{dollars(totals.cost)}</strong>
                </p>
              </div>
            )}
      </Loaded>
    </Page>
  )
}

export default Usage
