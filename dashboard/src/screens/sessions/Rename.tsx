import { useState } from "react"
import { client } from "../../api/Api.ts"
import { useChange } from "../../api/Queries.ts"
import { Button } from "../../ui/Button.tsx"
import { Dialog } from "../../ui/Dialog.tsx"
import { Field, Input } from "../../ui/Field.tsx"
import { words } from "../../words/words.ts"

/** Longest name, in characters. */
const maxName = 256

export interface RenameProps {
  readonly session_id: string
  readonly name: string
  readonly onClose: () => void
}

export const Rename = ({ name, onClose, session_id }: RenameProps) => {
  const [value, setValue] = useState(name)
  const { isPending, mutate } = useChange({
    run: () => client.open("PATCH", `/sessions/${encodeURIComponent(session_id)}`, { body: { name: value.trim() } }),
    changes: ["sessions"],
    next: onClose
  })
  return (
    <Dialog isOpen onClose={onClose} title={words.sessions.renameTitle}>
      <form
        className="flex flex-col gap-4 pb-3"
        onSubmit={(event) => {
          event.preventDefault()
          mutate()
        }}
      >
        <Field label={words.app.name}>
          {(tied) => (
            <Input
              {...tied}
              autoFocus
              maxLength={maxName}
              value={value}
              onChange={(event) => setValue(event.target.value)}
            />
          )}
        </Field>
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>{words.app.cancel}</Button>
          <Button type="submit" look="primary" isBusy={isPending} disabled={value.trim() === ""}>
            {words.app.save}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
