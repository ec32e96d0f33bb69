import { useState } from "react"
import { Field, Input, Select } from "../../ui/Field.tsx"

export interface NamesProps {
  readonly label: string
  /** Words that stand for many names, and `names` for a list of them. */
  readonly choices: Readonly<Record<string, string>>
  readonly namesLabel: string
  readonly namesAbout?: string
  readonly value: string | ReadonlyArray<string>
  readonly onChange: (value: string | ReadonlyArray<string>) => void
}

const listOf = (text: string) => text.split(",").map((name) => name.trim()).filter((name) => name !== "")

/** A word such as `all`, or a list of names. */
export const Names = ({ choices, label, namesAbout, namesLabel, onChange, value }: NamesProps) => {
  const isList = typeof value !== "string"
  const [text, setText] = useState(isList ? value.join(", ") : "")
  return (
    <>
      <Field label={label}>
        {(tied) => (
          <Select
            {...tied}
            value={isList ? "names" : value}
            options={Object.entries(choices).map(([value, label]) => ({ value, label }))}
            onChange={(choice) => onChange(choice === "names" ? listOf(text) : choice)}
          />
        )}
      </Field>
      {isList && (
        <Field label={namesLabel} about={namesAbout}>
          {(tied) => (
            <Input
              {...tied}
              value={text}
              onChange={(event) => {
                setText(event.target.value)
                onChange(listOf(event.target.value))
              }}
            />
          )}
        </Field>
      )}
    </>
  )
}
