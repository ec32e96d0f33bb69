import { useState } from "react"
import { words } from "../words/words.ts"
import { Button } from "./Button.tsx"
import { bytes } from "./Numbers.ts"
import { plain } from "./Plain.ts"

/** Characters that are shown at first, and how many more at each wish: a browser lays out this many at once without a pause. */
const first = 20_000
const step = 100_000

export interface LongTextProps {
  readonly text: string
  readonly label: string
  readonly className?: string
}

/** A text as it is, of any length, of which a part is shown. */
export const LongText = ({ className = "", label, text }: LongTextProps) => {
  const [shown, setShown] = useState(first)
  return (
    <>
      <pre
        aria-label={label}
        tabIndex={0}
        dir="auto"
        className={`max-h-80 overflow-auto font-mono text-xs leading-relaxed break-words whitespace-pre-wrap ${className}`}
      >
        {plain(text.slice(0, shown))}
      </pre>
      {text.length > shown && (
        <Button size="small" look="quiet" onClick={() => setShown(shown + step)}>
          {words.chat.more(bytes(text.length))}
        </Button>
      )}
    </>
  )
}
