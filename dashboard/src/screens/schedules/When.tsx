import { useQuery } from "@tanstack/react-query"
import { useDeferredValue, useId } from "react"
import { api } from "../../api/Api.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { Field, Input, Select } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { agoOf, wholeTime } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { type Draft, type Kind, whenOf } from "./Draft.ts"
import { plainRule } from "./Plain.ts"

const text = words.schedules

const kinds: ReadonlyArray<Kind> = ["cron", "interval", "once"]

type NextFires = Awaited<ReturnType<typeof api.schedules.preview>>

/** When it fires next, and what a change of the clocks does to that. */
export const Fires = ({ clock_changes, next }: NextFires) => (
  <>
    {next.length === 0 && <p className="text-sm text-muted">{text.noNext}</p>}
    <ol className="flex flex-col gap-1 text-sm tabular-nums">
      {next.map(({ at }) => (
        <li key={at} className="flex justify-between gap-4">
          <span>{wholeTime(at)}</span>
          <span className="text-muted">{agoOf((Date.parse(at) - Date.now()) / 1000)}</span>
        </li>
      ))}
    </ol>
    {clock_changes.map(({ at, text }) => <Notice key={at} kind="warn">{text}</Notice>)}
  </>
)

const Preview = ({ draft }: { readonly draft: Draft }) => {
  const when = useDeferredValue(whenOf(draft))
  const { data, error } = useQuery({
    queryKey: ["schedule-preview", when],
    queryFn: () => api.schedules.preview({ urlParams: { ...when, count: 5, timezone: draft.timezone } }),
    enabled: when !== undefined,
    retry: false,
    placeholderData: (before) => before
  })
  return (
    <div className="flex flex-col gap-2 rounded-md bg-sunken p-3" aria-live="polite">
      <h2 className="text-xs font-medium text-muted">{text.nextFires}</h2>
      {error !== null
        ? <p className="text-sm text-bad">{sentenceOf(error)}</p>
        : data !== undefined && <Fires {...data} />}
    </div>
  )
}

export interface WhenProps {
  readonly draft: Draft
  readonly onChange: (draft: Draft) => void
}

const Rule = ({ draft, onChange }: WhenProps) => (
  <>
    <Field label={text.rule} about={text.ruleAbout}>
      {(tied) => (
        <Input
          {...tied}
          required
          spellCheck={false}
          className="font-mono"
          value={draft.cron_expression}
          onChange={(event) => onChange({ ...draft, cron_expression: event.target.value })}
        />
      )}
    </Field>
    <p className="-mt-1 text-sm font-medium">{plainRule(draft.cron_expression)}</p>
    <div className="flex flex-wrap gap-1.5">
      {Object.entries(text.presets).map(([rule, label]) => (
        <Button
          key={rule}
          size="small"
          onClick={() => onChange({ ...draft, cron_expression: rule })}
        >
          {label}
        </Button>
      ))}
    </div>
  </>
)

export const When = ({ draft, onChange }: WhenProps) => {
  const zones = useId()
  return (
    <>
      <Field label={text.when}>
        {(tied) => (
          <Select
            {...tied}
            value={draft.kind}
            options={kinds.map((kind) => ({ value: kind, label: text.kinds[kind] }))}
            onChange={(value) => onChange({ ...draft, kind: kinds.find((kind) => kind === value) ?? "cron" })}
          />
        )}
      </Field>
      {draft.kind === "cron" && <Rule draft={draft} onChange={onChange} />}
      {draft.kind === "interval" && (
        <Field label={text.seconds}>
          {(tied) => (
            <Input
              {...tied}
              required
              type="number"
              min={1}
              value={draft.interval_seconds}
              onChange={(event) => onChange({ ...draft, interval_seconds: event.target.value })}
            />
          )}
        </Field>
      )}
      {draft.kind === "once" && (
        <Field label={text.at}>
          {(tied) => (
            <Input
              {...tied}
              required
              type="datetime-local"
              value={draft.once_at}
              onChange={(event) => onChange({ ...draft, once_at: event.target.value })}
            />
          )}
        </Field>
      )}
      {draft.kind === "cron" && (
        <Field label={text.timezone}>
          {(tied) => (
            <>
              <Input
                {...tied}
                list={zones}
                required
                value={draft.timezone}
                onChange={(event) => onChange({ ...draft, timezone: event.target.value })}
              />
              <datalist id={zones}>
                {Intl.supportedValuesOf("timeZone").map((zone) => <option key={zone} value={zone} />)}
              </datalist>
            </>
          )}
        </Field>
      )}
      <Preview draft={draft} />
    </>
  )
}
