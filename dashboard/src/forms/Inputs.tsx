/** Inputs of values that are no plain texts. */
import { Eye, EyeOff, Plus, X } from "lucide-react"
import { useState } from "react"
import { Button, IconButton } from "../ui/Button.tsx"
import { Input, TextArea, type Tied } from "../ui/Field.tsx"
import { words } from "../words/words.ts"
import type { Json, JsonSchema } from "./Schema.ts"

interface Props extends Tied {
  readonly value: Json | undefined
  readonly onChange: (value: Json | undefined) => void
}

/** What is no number yet, such as `-`, stands as it was written until it is one, and counts as a text meanwhile. */
const numberOf = (text: string): Json | undefined => {
  const trimmed = text.trim()
  return trimmed === "" ? undefined : Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed
}

export const NumberInput = ({ onChange, value, ...props }: Props & { readonly placeholder: string }) => {
  const [text, setText] = useState(value === undefined || value === null ? "" : String(value))
  return (
    <Input
      {...props}
      inputMode="decimal"
      value={text}
      onChange={(event) => {
        setText(event.target.value)
        onChange(numberOf(event.target.value))
      }}
    />
  )
}

interface SecretProps extends Tied {
  readonly value: string
  readonly isKept: boolean
  readonly onChange: (text: string) => void
}

export const SecretInput = ({ isKept, onChange, value, ...props }: SecretProps) => {
  const [isShown, setShown] = useState(false)
  return (
    <div className="flex gap-1">
      <Input
        {...props}
        type={isShown ? "text" : "password"}
        autoComplete="off"
        spellCheck={false}
        value={value}
        placeholder={isKept ? words.forms.kept : ""}
        onChange={(event) => onChange(event.target.value)}
      />
      <IconButton
        icon={isShown ? EyeOff : Eye}
        label={isShown ? words.forms.hide : words.forms.show}
        isPressed={isShown}
        className="size-8"
        onClick={() => setShown(!isShown)}
      />
    </div>
  )
}

const wrong = Symbol("no JSON")

const parsedOf = (text: string): Json | typeof wrong | undefined => {
  if (text.trim() === "") return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return wrong
  }
}

const isList = (value: Json | undefined): value is ReadonlyArray<Json> => Array.isArray(value)

export const ListInput = ({ items, onChange, value, ...props }: Props & { readonly items: JsonSchema }) => {
  const list = isList(value) ? value : []
  const isNumber = items.type === "number" || items.type === "integer"
  const change = (index: number, text: string) => onChange(list.with(index, isNumber ? numberOf(text) ?? "" : text))
  const without = (index: number) => {
    const rest = list.toSpliced(index, 1)
    onChange(rest.length === 0 ? undefined : rest)
  }
  return (
    <div id={props.id} className="flex flex-col gap-1.5">
      {list.map((item, index) => (
        <div key={index} className="flex gap-1">
          <Input
            aria-label={words.forms.item(index + 1)}
            aria-invalid={props["aria-invalid"]}
            value={typeof item === "string" ? item : String(item)}
            onChange={(event) => change(index, event.target.value)}
          />
          <IconButton
            icon={X}
            label={words.forms.removeItem(index + 1)}
            className="size-8"
            onClick={() => without(index)}
          />
        </div>
      ))}
      <Button size="small" icon={Plus} className="self-start" onClick={() => onChange([...list, ""])}>
        {words.forms.add}
      </Button>
    </div>
  )
}

/** What is no JSON is not given on, and the browser sends no form that holds it. */
export const JsonInput = ({ onChange, value, ...props }: Props) => {
  const [text, setText] = useState(value === undefined ? "" : JSON.stringify(value, null, 2))
  const [isWrong, setWrong] = useState(false)
  const change = (area: HTMLTextAreaElement) => {
    setText(area.value)
    const parsed = parsedOf(area.value)
    setWrong(parsed === wrong)
    area.setCustomValidity(parsed === wrong ? words.forms.notJson : "")
    if (parsed !== wrong) onChange(parsed)
  }
  return (
    <>
      <TextArea
        {...props}
        aria-invalid={isWrong || props["aria-invalid"]}
        spellCheck={false}
        className="font-mono text-xs"
        value={text}
        onChange={(event) => change(event.target)}
      />
      {isWrong && <p role="alert" className="text-xs text-bad">{words.forms.notJson}</p>}
    </>
  )
}
