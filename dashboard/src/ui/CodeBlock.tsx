import { Check, Copy } from "lucide-react"
import { useState } from "react"
import { words } from "../words/words.ts"
import { IconButton } from "./Button.tsx"

export interface CodeBlockProps {
  readonly text: string
  /** What it is, for those who do not see it. */
  readonly label?: string
  readonly className?: string
}

/** A text as it is, with a button that copies it. */
export const CodeBlock = ({ className = "", label = words.app.details, text }: CodeBlockProps) => (
  <div className={`group relative rounded-md border border-line bg-sunken ${className}`}>
    <pre
      aria-label={label}
      tabIndex={0}
      className="max-h-96 overflow-auto p-3 pr-10 font-mono text-xs leading-relaxed whitespace-pre-wrap break-words"
    >
      {text}
    </pre>
    <CopyButton text={text} className="absolute top-1.5 right-1.5" />
  </div>
)

const CopyButton = ({ className = "", text }: { readonly text: string; readonly className?: string }) => {
  const [isCopied, setCopied] = useState(false)
  const copy = async () => {
    await navigator.clipboard.writeText(text)
    setCopied(true)
    setTimeout(() => setCopied(false), 1_500)
  }
  return (
    <IconButton
      icon={isCopied ? Check : Copy}
      label={isCopied ? words.app.copied : words.app.copy}
      className={className}
      onClick={() => void copy()}
    />
  )
}
