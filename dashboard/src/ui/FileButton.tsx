import type { LucideIcon } from "lucide-react"
import { type ChangeEvent, useRef } from "react"
import { Button } from "./Button.tsx"

export interface FileButtonProps {
  readonly label: string
  readonly icon: LucideIcon
  /** Endings of names, such as `.zip`. */
  readonly accept?: string
  readonly isBusy: boolean
  readonly look?: "primary" | "usual"
  readonly onFile: (file: File) => void
}

/** Lets a person choose a file of their own. */
export const FileButton = ({ accept, icon, isBusy, label, look = "usual", onFile }: FileButtonProps) => {
  const input = useRef<HTMLInputElement>(null)
  const choose = ({ target }: ChangeEvent<HTMLInputElement>) => {
    const file = target.files?.[0]
    if (file !== undefined) onFile(file)
    // The same file may be chosen again.
    target.value = ""
  }
  return (
    <>
      <input ref={input} type="file" accept={accept} onChange={choose} hidden aria-label={label} />
      <Button look={look} icon={icon} isBusy={isBusy} onClick={() => input.current?.click()}>{label}</Button>
    </>
  )
}
