/** Draws a form from a JSON schema. What it cannot draw is edited as JSON. */
import { Check, Field, Input, Select, TextArea } from "../ui/Field.tsx"
import { words } from "../words/words.ts"
import { JsonInput, ListInput, NumberInput, SecretInput } from "./Inputs.tsx"
import {
  constantsOf,
  fieldsOf,
  isObject,
  type Json,
  type JsonObject,
  type JsonSchema,
  kindOf,
  labelOf,
  tagOf
} from "./Schema.ts"

interface Shared {
  /** By their paths; nothing is shown of those that are not here. */
  readonly problems: Readonly<Record<string, string>>
  /** Secrets that the server has, which need not be written again. */
  readonly kept?: ReadonlySet<string> | undefined
}

interface PartProps extends Shared {
  readonly schema: JsonSchema
  readonly name: string
  readonly path: string
  readonly isRequired: boolean
  readonly value: Json | undefined
  readonly onChange: (value: Json | undefined) => void
}

const textOf = (value: Json | undefined): string =>
  value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value)

const placeholderOf = ({ default: usual }: JsonSchema): string =>
  usual === undefined || usual === null ? "" : textOf(usual)

/** A text that is empty is none. */
const orNothing = (text: string): string | undefined => text === "" ? undefined : text

const Variants = ({ isRequired, name, onChange, path, schema, value, ...shared }: PartProps) => {
  const tag = tagOf(schema) ?? ""
  const options = (schema.oneOf ?? []).map((option) => ({
    option,
    value: String(option.properties?.[tag]?.const),
    label: option.title ?? String(option.properties?.[tag]?.const)
  }))
  const object = isObject(value) ? value : {}
  const chosen = options.find((option) => option.value === object[tag])
  return (
    <fieldset className="flex flex-col gap-3">
      <Field label={labelOf(name, schema)} about={schema.description} isOptional={!isRequired}>
        {(tied) => (
          <Select
            {...tied}
            value={chosen?.value ?? ""}
            placeholder={words.forms.choose}
            options={options}
            onChange={(to) => onChange(to === "" ? undefined : { [tag]: to })}
          />
        )}
      </Field>
      {chosen !== undefined && (
        <Fields {...shared} schema={chosen.option} path={path} value={object} onChange={onChange} />
      )}
    </fieldset>
  )
}

const Group = ({ name, onChange, path, schema, value, ...shared }: PartProps) => (
  <details
    className="rounded-md border border-line"
    open={Object.keys(shared.problems).some((at) => at.startsWith(path))}
  >
    <summary className="px-3 py-2 text-sm font-medium">{labelOf(name, schema)}</summary>
    <div className="flex flex-col gap-3 px-3 pt-1 pb-3">
      {schema.description !== undefined && <p className="text-xs text-muted">{schema.description}</p>}
      <Fields {...shared} schema={schema} path={path} value={isObject(value) ? value : {}} onChange={onChange} />
    </div>
  </details>
)

const Part = (props: PartProps) => {
  const { isRequired, kept, name, onChange, path, problems, schema, value } = props
  const kind = kindOf(schema)
  if (kind === "variants") return <Variants {...props} />
  if (kind === "object") return <Group {...props} />
  const label = labelOf(name, schema)
  if (kind === "boolean") {
    return (
      <Check
        label={label}
        about={schema.description}
        checked={typeof value === "boolean" ? value : schema.default === true}
        onChange={onChange}
      />
    )
  }
  return (
    <Field label={label} about={schema.description} error={problems[path]} isOptional={!isRequired}>
      {(tied) => {
        switch (kind) {
          case "enum":
            return (
              <Select
                {...tied}
                value={textOf(value)}
                placeholder={placeholderOf(schema) || words.forms.unset}
                options={(schema.enum ?? []).map((one) => ({ value: String(one), label: String(one) }))}
                onChange={(text) => onChange(orNothing(text))}
              />
            )
          case "integer":
          case "number":
            return <NumberInput {...tied} value={value} placeholder={placeholderOf(schema)} onChange={onChange} />
          case "secret":
            return (
              <SecretInput
                {...tied}
                value={textOf(value)}
                isKept={kept?.has(name) === true}
                onChange={(text) => onChange(orNothing(text))}
              />
            )
          case "textarea":
            return (
              <TextArea
                {...tied}
                value={textOf(value)}
                placeholder={placeholderOf(schema)}
                onChange={(event) => onChange(orNothing(event.target.value))}
              />
            )
          case "array":
            return <ListInput {...tied} value={value} items={schema.items ?? {}} onChange={onChange} />
          case "json":
            return <JsonInput {...tied} value={value} onChange={onChange} />
          default:
            return (
              <Input
                {...tied}
                type={kind === "url" ? "url" : "text"}
                value={textOf(value)}
                placeholder={placeholderOf(schema)}
                onChange={(event) => onChange(orNothing(event.target.value))}
              />
            )
        }
      }}
    </Field>
  )
}

interface FieldsProps extends Shared {
  readonly schema: JsonSchema
  readonly path: string
  readonly value: JsonObject
  readonly onChange: (value: JsonObject) => void
  /** Those that stand open; all without it. */
  readonly first?: ((name: string, isRequired: boolean) => boolean) | undefined
}

const Fields = ({ first, onChange, path, schema, value, ...shared }: FieldsProps) => {
  const required = new Set(schema.required)
  const fields = fieldsOf(schema)
  const part = ([name, field]: readonly [string, JsonSchema]) => (
    <Part
      key={name}
      {...shared}
      name={name}
      path={path === "" ? name : `${path}.${name}`}
      schema={field}
      isRequired={required.has(name)}
      value={value[name]}
      onChange={(to) => {
        const { [name]: _, ...rest } = value
        onChange({ ...constantsOf(schema), ...rest, ...(to !== undefined && { [name]: to }) })
      }}
    />
  )
  const isFirst = ([name]: readonly [string, JsonSchema]) => first?.(name, required.has(name)) ?? true
  const rest = fields.filter((field) => !isFirst(field))
  return (
    <>
      {fields.filter(isFirst).map(part)}
      {rest.length > 0 && (
        <details
          className="rounded-md border border-line"
          open={rest.some(([name]) => Object.keys(shared.problems).some((at) => at.startsWith(name)))}
        >
          <summary className="px-3 py-2 text-sm font-medium">{words.forms.advanced}</summary>
          <div className="flex flex-col gap-3 px-3 pt-1 pb-3">{rest.map(part)}</div>
        </details>
      )}
    </>
  )
}

export type SchemaFormProps = Omit<FieldsProps, "path">

export const SchemaForm = (props: SchemaFormProps) => (
  <div className="flex flex-col gap-3.5">
    <Fields {...props} path="" />
  </div>
)
