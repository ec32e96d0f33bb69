import { type ComponentProps, type ReactNode, useId } from "react"
import { words } from "../words/words.ts"

export interface FieldProps {
  readonly label: ReactNode
  readonly about?: ReactNode
  readonly error?: string | undefined
  readonly isOptional?: boolean
  /** Gets what ties an input to its label and to what is said of it. */
  readonly children: (tied: Tied) => ReactNode
}

export interface Tied {
  readonly id: string
  readonly "aria-describedby": string | undefined
  readonly "aria-invalid": true | undefined
}

export const Field = ({ about, children, error, isOptional = false, label }: FieldProps) => {
  const id = useId()
  const said = error !== undefined || about !== undefined
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
        {isOptional && <span className="ml-1.5 text-xs font-normal text-muted">{words.app.optional}</span>}
      </label>
      {children({
        id,
        "aria-describedby": said ? `${id}-about` : undefined,
        "aria-invalid": error === undefined ? undefined : true
      })}
      {said && (
        <p id={`${id}-about`} className={`text-xs ${error === undefined ? "text-muted" : "text-bad"}`}>
          {error ?? about}
        </p>
      )}
    </div>
  )
}

const look = "w-full rounded-md border border-strong-line bg-panel px-2.5 text-sm text-text placeholder:text-muted " +
  "aria-invalid:border-bad disabled:opacity-60"

export const Input = ({ className = "", ...props }: ComponentProps<"input">) => (
  <input className={`${look} h-8 ${className}`} {...props} />
)

export const TextArea = ({ className = "", ...props }: ComponentProps<"textarea">) => (
  <textarea className={`${look} min-h-20 py-1.5 leading-relaxed ${className}`} {...props} />
)

export interface SelectProps extends Omit<ComponentProps<"select">, "onChange"> {
  /** Texts by their values. */
  readonly options: ReadonlyArray<{ readonly value: string; readonly label: string }>
  /** Shown while nothing is chosen. */
  readonly placeholder?: string
  readonly onChange: (value: string) => void
}

/** The browser's own: it is known to every keyboard, screen reader and phone. */
export const Select = ({ className = "", onChange, options, placeholder, ...props }: SelectProps) => (
  <select
    className={`${look} h-8 pr-7 ${className}`}
    onChange={(event) => onChange(event.target.value)}
    {...props}
  >
    {placeholder !== undefined && <option value="">{placeholder}</option>}
    {options.map(({ label, value }) => <option key={value} value={value}>{label}</option>)}
  </select>
)

export interface CheckProps extends Omit<ComponentProps<"input">, "about" | "onChange" | "type"> {
  readonly label: ReactNode
  readonly about?: ReactNode
  readonly onChange: (isChecked: boolean) => void
}

export const Check = ({ about, label, onChange, ...props }: CheckProps) => {
  const id = useId()
  return (
    <div className="flex items-start gap-2">
      <input
        id={id}
        type="checkbox"
        className="mt-0.5 size-4 accent-accent"
        aria-describedby={about === undefined ? undefined : `${id}-about`}
        onChange={(event) => onChange(event.target.checked)}
        {...props}
      />
      <div>
        <label htmlFor={id} className="text-sm font-medium">{label}</label>
        {about !== undefined && <p id={`${id}-about`} className="text-xs text-muted">{about}</p>}
      </div>
    </div>
  )
}
