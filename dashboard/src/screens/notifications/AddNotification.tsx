import { type FormEvent, useState } from "react"
import { post } from "../../api/Api.ts"
import { sentenceOf, useChange } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Check, Field, Input, Select } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"

const text = words.notifications

type Kind = keyof typeof text.kinds
type Event = keyof typeof text.eventNames

const isKind = (word: string): word is Kind => word in text.kinds
const isEvent = (word: string): word is Event => word in text.eventNames

const events = Object.keys(text.eventNames).filter(isEvent)

interface Draft {
  readonly name: string
  readonly kind: Kind
  readonly target: string
  readonly events: ReadonlyArray<Event>
}

const empty: Draft = { name: "", kind: "webhook", target: "", events: ["run.failed", "run.waiting"] }

interface Created {
  readonly notification_id: string
  readonly secret: string | null
}

const create = ({ events, kind, name, target }: Draft) =>
  post<object, Created>("/notification", {
    name,
    kind,
    events,
    ...kind === "email" ? { to: target } : { url: target }
  })

const Fields = (
  { draft, onChange }: { readonly draft: Draft; readonly onChange: (draft: Draft) => void }
) => (
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
    <Field label={text.kind}>
      {(tied) => (
        <Select
          {...tied}
          value={draft.kind}
          options={Object.entries(text.kinds).map(([value, label]) => ({ value, label }))}
          onChange={(kind) => isKind(kind) && onChange({ ...draft, kind })}
        />
      )}
    </Field>
    <Field label={draft.kind === "email" ? text.to : text.url}>
      {(tied) => (
        <Input
          {...tied}
          required
          type={draft.kind === "email" ? "email" : "url"}
          value={draft.target}
          onChange={(event) => onChange({ ...draft, target: event.target.value })}
        />
      )}
    </Field>
    <fieldset className="flex flex-col gap-1.5">
      <legend className="mb-1 text-sm font-medium">{text.events}</legend>
      {events.map((event) => (
        <Check
          key={event}
          label={text.eventNames[event]}
          checked={draft.events.includes(event)}
          onChange={(isOn) =>
            onChange({
              ...draft,
              events: isOn ? [...draft.events, event] : draft.events.filter((one) => one !== event)
            })}
        />
      ))}
    </fieldset>
  </>
)

export const AddNotification = ({ onClose }: { readonly onClose: () => void }) => {
  const [draft, setDraft] = useState(empty)
  const add = useChange({
    run: create,
    changes: ["notifications"],
    isQuiet: true,
    // A webhook's secret is shown before the dialog goes.
    next: ({ secret }) => secret === null && onClose()
  })
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate(draft)
  }
  const secret = add.data?.secret ?? null
  if (secret !== null) {
    return (
      <Dialog
        isOpen
        onClose={onClose}
        title={text.secret}
        about={text.secretAbout}
        actions={<Button look="primary" onClick={onClose}>{words.app.close}</Button>}
      >
        <CodeBlock text={secret} label={text.secret} />
      </Dialog>
    )
  }
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={text.add}
      actions={
        <>
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button type="submit" form="add-notification" look="primary" isBusy={add.isPending}>
            {words.app.create}
          </Button>
        </>
      }
    >
      <form id="add-notification" onSubmit={send} className="flex flex-col gap-3.5">
        <Fields draft={draft} onChange={setDraft} />
        {add.error !== null && <Notice kind="bad">{sentenceOf(add.error)}</Notice>}
      </form>
    </Dialog>
  )
}
