import { type FormEvent, useState } from "react"
import { sentenceOf } from "../../api/Queries.ts"
import { problemsOf } from "../../forms/Problems.ts"
import type { JsonObject, JsonSchema } from "../../forms/Schema.ts"
import { SchemaForm } from "../../forms/SchemaForm.tsx"
import { Button } from "../../ui/Button.tsx"
import { Notice } from "../../ui/Notice.tsx"

export interface CredentialFormProps {
  readonly schema: JsonSchema
  readonly initial: JsonObject
  /** Secrets that the server has already. */
  readonly kept?: ReadonlySet<string>
  readonly action: string
  readonly isBusy: boolean
  readonly error: Error | null
  readonly onSave: (data: JsonObject) => void
}

/** What one needs to begin; the rest is for those who know that they need it. */
const usual = new Set([
  "name",
  "base_url",
  "host",
  "api_key",
  "access_key_id",
  "secret_access_key",
  "resource",
  "region"
])

export const CredentialForm = (
  { action, error, initial, isBusy, kept, onSave, schema }: CredentialFormProps
) => {
  const [data, setData] = useState(initial)
  const [isChecked, setChecked] = useState(false)
  const problems = problemsOf(schema, data, kept)
  const send = (event: FormEvent) => {
    event.preventDefault()
    setChecked(true)
    if (Object.keys(problems).length === 0) onSave(data)
  }
  return (
    <form onSubmit={send} className="flex flex-col gap-4">
      <SchemaForm
        schema={schema}
        value={data}
        onChange={setData}
        problems={isChecked ? problems : {}}
        kept={kept}
        first={(name, isRequired) => isRequired || usual.has(name)}
      />
      {error !== null && <Notice kind="bad">{sentenceOf(error)}</Notice>}
      <Button type="submit" look="primary" isBusy={isBusy} className="self-start">{action}</Button>
    </form>
  )
}
