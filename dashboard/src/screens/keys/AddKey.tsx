import { type FormEvent, useState } from "react"
import { post } from "../../api/Api.ts"
import { sentenceOf, useChange } from "../../api/Queries.ts"
import { useSession } from "../../api/Session.ts"
import { Button } from "../../ui/Button.tsx"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Check, Field, Input } from "../../ui/Field.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { words } from "../../words/words.ts"

const text = words.admin.keys

type Scope = keyof typeof text.scopeNames

const isScope = (word: string): word is Scope => word in text.scopeNames

const scopes = Object.keys(text.scopeNames).filter(isScope)

interface Draft {
  readonly name: string
  readonly user_id: string
  readonly scopes: ReadonlyArray<Scope>
  /** A day, as the browser's own field has it. */
  readonly until: string
}

const issue = ({ until, ...draft }: Draft) =>
  post<object, { readonly key: string }>("/keys", {
    ...draft,
    expires_at: until === "" ? null : new Date(`${until}T23:59:59`).toISOString()
  })

const Issued = ({ issued, onClose }: { readonly issued: string; readonly onClose: () => void }) => (
  <Dialog
    isOpen
    onClose={onClose}
    title={text.issued}
    about={text.issuedAbout}
    actions={<Button look="primary" onClick={onClose}>{words.app.close}</Button>}
  >
    <CodeBlock text={issued} label={text.issued} />
  </Dialog>
)

export const AddKey = ({ onClose }: { readonly onClose: () => void }) => {
  const { user_id } = useSession()
  const [draft, setDraft] = useState<Draft>({ name: "", user_id, scopes: ["read", "write", "chat"], until: "" })
  const add = useChange({ run: issue, changes: ["keys"], isQuiet: true })
  const send = (event: FormEvent) => {
    event.preventDefault()
    add.mutate(draft)
  }
  if (add.data !== undefined) return <Issued issued={add.data.key} onClose={onClose} />
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={text.add}
      actions={
        <>
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button
            type="submit"
            form="add-key"
            look="primary"
            isBusy={add.isPending}
            disabled={draft.scopes.length === 0}
          >
            {words.app.create}
          </Button>
        </>
      }
    >
      <form id="add-key" onSubmit={send} className="flex flex-col gap-3.5">
        <Field label={words.app.name}>
          {(tied) => (
            <Input
              {...tied}
              required
              maxLength={256}
              value={draft.name}
              onChange={(event) => setDraft({ ...draft, name: event.target.value })}
            />
          )}
        </Field>
        <Field label={text.user} about={text.userAbout}>
          {(tied) => (
            <Input
              {...tied}
              required
              value={draft.user_id}
              onChange={(event) => setDraft({ ...draft, user_id: event.target.value })}
            />
          )}
        </Field>
        <fieldset className="flex flex-col gap-1.5">
          <legend className="mb-1 text-sm font-medium">{text.scopes}</legend>
          {scopes.map((scope) => (
            <Check
              key={scope}
              label={text.scopeNames[scope]}
              checked={draft.scopes.includes(scope)}
              onChange={(isOn) =>
                setDraft({
                  ...draft,
                  scopes: isOn ? [...draft.scopes, scope] : draft.scopes.filter((one) => one !== scope)
                })}
            />
          ))}
        </fieldset>
        <Field label={text.expires} about={text.expiresAbout} isOptional>
          {(tied) => (
            <Input
              {...tied}
              type="date"
              value={draft.until}
              onChange={(event) => setDraft({ ...draft, until: event.target.value })}
            />
          )}
        </Field>
        {add.error !== null && <Notice kind="bad">{sentenceOf(add.error)}</Notice>}
      </form>
    </Dialog>
  )
}
