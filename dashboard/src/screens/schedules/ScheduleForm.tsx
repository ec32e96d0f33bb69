import { type FormEvent, useState } from "react"
import { useAgents } from "../../api/Lists.ts"
import { sentenceOf } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { Check, Field, Input, Select, TextArea } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { Panel } from "../../ui/Page.tsx"
import { words } from "../../words/words.ts"
import type { Draft } from "./Draft.ts"
import { When, type WhenProps } from "./When.tsx"

const text = words.schedules

/** One of the words that the API has for something. */
const optionsOf = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels).map(([value, label]) => ({ value, label }))

const isIn = <Word extends string>(labels: Readonly<Record<Word, string>>, word: string): word is Word => word in labels

const More = ({ draft, onChange }: WhenProps) => (
  <details className="rounded-md border border-line">
    <summary className="px-3 py-2 text-sm font-medium">{words.forms.advanced}</summary>
    <div className="flex flex-col gap-3.5 px-3 pt-1 pb-3">
      <Field label={text.overlap}>
        {(tied) => (
          <Select
            {...tied}
            value={draft.overlap}
            options={optionsOf(text.overlaps)}
            onChange={(overlap) => isIn(text.overlaps, overlap) && onChange({ ...draft, overlap })}
          />
        )}
      </Field>
      <Field label={text.missed}>
        {(tied) => (
          <Select
            {...tied}
            value={draft.missed}
            options={optionsOf(text.misseds)}
            onChange={(missed) => isIn(text.misseds, missed) && onChange({ ...draft, missed })}
          />
        )}
      </Field>
      <Field label={text.permission}>
        {(tied) => (
          <Select
            {...tied}
            value={draft.permission_mode}
            options={optionsOf(text.permissions)}
            onChange={(mode) => isIn(text.permissions, mode) && onChange({ ...draft, permission_mode: mode })}
          />
        )}
      </Field>
      <Check
        label={text.stateful}
        about={text.statefulAbout}
        checked={draft.stateful}
        onChange={(stateful) => onChange({ ...draft, stateful })}
      />
    </div>
  </details>
)

const Work = ({ draft, isNew, onChange }: WhenProps & { readonly isNew: boolean }) => {
  const agents = useAgents().data?.agents ?? []
  return (
    <>
      <Field label={words.app.name}>
        {(tied) => (
          <Input
            {...tied}
            required
            value={draft.name}
            onChange={(event) => onChange({ ...draft, name: event.target.value })}
          />
        )}
      </Field>
      <Field label={text.agent}>
        {(tied) => (
          <Select
            {...tied}
            required
            disabled={!isNew}
            value={draft.agent_id}
            placeholder={text.chooseAgent}
            options={agents.map(({ data, id }) => ({ value: id, label: data.name }))}
            onChange={(agent_id) => onChange({ ...draft, agent_id })}
          />
        )}
      </Field>
      <Field label={text.input} about={text.inputAbout}>
        {(tied) => (
          <TextArea
            {...tied}
            required
            rows={5}
            value={draft.input}
            onChange={(event) => onChange({ ...draft, input: event.target.value })}
          />
        )}
      </Field>
      <More draft={draft} onChange={onChange} />
    </>
  )
}

export interface ScheduleFormProps {
  readonly initial: Draft
  readonly action: string
  readonly isNew?: boolean
  readonly isBusy: boolean
  readonly error: Error | null
  readonly onSave: (draft: Draft) => void
}

export const ScheduleForm = ({ action, error, initial, isBusy, isNew = false, onSave }: ScheduleFormProps) => {
  const [draft, setDraft] = useState(initial)
  const send = (event: FormEvent) => {
    event.preventDefault()
    onSave(draft)
  }
  return (
    <form onSubmit={send} className="grid items-start gap-4 lg:grid-cols-2">
      <Panel>
        <div className="flex flex-col gap-3.5">
          <Work draft={draft} isNew={isNew} onChange={setDraft} />
        </div>
      </Panel>
      <Panel>
        <div className="flex flex-col gap-3.5">
          <When draft={draft} onChange={setDraft} />
        </div>
      </Panel>
      <div className="flex flex-col gap-3">
        {error !== null && <Notice kind="bad">{sentenceOf(error)}</Notice>}
        <Button type="submit" look="primary" isBusy={isBusy} className="self-start">{action}</Button>
      </div>
    </form>
  )
}
