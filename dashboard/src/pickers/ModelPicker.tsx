/** Chooses a credential, one of its models, and what the model can be told. */
import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { modelsQuery, nameOf, typeOf, useCredentials } from "../api/Lists.ts"
import { useProviderTitle } from "../api/Providers.ts"
import { problemsOf } from "../forms/Problems.ts"
import type { JsonObject, JsonSchema } from "../forms/Schema.ts"
import { SchemaForm } from "../forms/SchemaForm.tsx"
import { Field, Input, Select } from "../ui/Field.tsx"
import { words } from "../words/words.ts"

/** A model as agents, sessions and schedules name it. */
export interface ModelConfig {
  readonly type: string
  readonly credential_id: string
  readonly model: string
  readonly parameters: Readonly<Record<string, unknown>>
}

export interface ModelPickerProps {
  readonly value: ModelConfig | null
  readonly onChange: (config: ModelConfig | null) => void
  /** Only which model, and not what it can be told. */
  readonly isShort?: boolean
}

const text = words.agents

/** The parameters of a model, by its card. */
const Parameters = (
  { onChange, schema, value }: {
    readonly schema: JsonSchema
    readonly value: JsonObject
    readonly onChange: (value: JsonObject) => void
  }
) => (
  <details className="rounded-md border border-line">
    <summary className="px-3 py-2 text-sm font-medium">{text.parameters}</summary>
    <div className="px-3 pt-1 pb-3">
      <SchemaForm schema={schema} value={value} problems={problemsOf(schema, value)} onChange={onChange} />
    </div>
  </details>
)

export const ModelPicker = ({ isShort = false, onChange, value }: ModelPickerProps) => {
  const credentials = useCredentials().data?.credentials
  const titleOf = useProviderTitle()
  const { data } = useQuery(modelsQuery(value?.type ?? "", value?.credential_id))
  const models = data?.models ?? []
  const card = models.find(({ name }) => name === value?.model)
  if (credentials?.length === 0) {
    return (
      <p className="text-sm text-muted">
        {text.noCredential} <Link to="/credentials/new">{text.addCredential}</Link>
      </p>
    )
  }
  const choose = (credential_id: string) => {
    const credential = credentials?.find(({ id }) => id === credential_id)
    onChange(credential === undefined ? null : { type: typeOf(credential), credential_id, model: "", parameters: {} })
  }
  // A model that no card is of can be named all the same.
  const names = value === null || value.model === "" || card !== undefined ? models.map(({ name }) => name) : [
    value.model,
    ...models.map(({ name }) => name)
  ]
  const labelOf = (name: string) => models.find((model) => model.name === name)?.label ?? name
  return (
    <div className="flex flex-col gap-3">
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label={text.credential}>
          {(tied) => (
            <Select
              {...tied}
              value={value?.credential_id ?? ""}
              placeholder={text.chooseCredential}
              options={(credentials ?? []).map((credential) => ({
                value: credential.id,
                label: `${nameOf(credential)} (${titleOf(typeOf(credential))})`
              }))}
              onChange={choose}
            />
          )}
        </Field>
        <Field label={text.model}>
          {(tied) =>
            // Where no model is known, one can be named all the same.
            names.length > 0 || value === null || data === undefined
              ? (
                <Select
                  {...tied}
                  disabled={value === null || data === undefined}
                  value={value?.model ?? ""}
                  placeholder={text.chooseModel}
                  options={names.map((name) => ({ value: name, label: labelOf(name) }))}
                  onChange={(model) => value !== null && onChange({ ...value, model, parameters: {} })}
                />
              )
              : (
                <Input
                  {...tied}
                  value={value.model}
                  onChange={(event) => onChange({ ...value, model: event.target.value })}
                />
              )}
        </Field>
      </div>
      {!isShort && value !== null && card !== undefined &&
        Object.keys((card.parameter_schema as JsonSchema).properties ?? {}).length > 0 && (
        <Parameters
          key={value.model}
          schema={card.parameter_schema as JsonSchema}
          value={value.parameters as JsonObject}
          onChange={(parameters) => onChange({ ...value, parameters })}
        />
      )}
    </div>
  )
}
