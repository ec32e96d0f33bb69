import { Ban, Check, ChevronRight, CircleAlert, CircleHelp, Clock, LoaderCircle, type LucideIcon } from "lucide-react"
import { memo } from "react"
import type { ToolCallBlock, ToolResultBlock } from "stoa/domain/Message.ts"
import { Badge, type Tone } from "../../ui/Badge.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"
import { Data } from "./Data.tsx"

const text = words.chat

type State = ToolCallBlock["state"] | ToolResultBlock["state"]

const looks: Readonly<Record<State, { readonly icon: LucideIcon; readonly tone: Tone }>> = {
  pending: { icon: LoaderCircle, tone: "plain" },
  asking: { icon: CircleHelp, tone: "warn" },
  allowed: { icon: LoaderCircle, tone: "accent" },
  submitted: { icon: Clock, tone: "warn" },
  finished: { icon: Check, tone: "ok" },
  running: { icon: LoaderCircle, tone: "accent" },
  success: { icon: Check, tone: "ok" },
  error: { icon: CircleAlert, tone: "bad" },
  interrupted: { icon: Ban, tone: "warn" },
  denied: { icon: Ban, tone: "bad" }
}

/** Longest arguments that are laid out anew, in characters. */
const maxPretty = 100_000

/** Arguments as they are easy to read; as they are while they are being written. */
export const prettyOf = (input: string): string => {
  if (input.length > maxPretty) return input
  try {
    return JSON.stringify(JSON.parse(input), null, 2)
  } catch {
    return input
  }
}

/** The first words of the arguments, for a card that is closed. */
const shortOf = (input: string): string => plain(input.slice(0, 160)).replaceAll(/\s+/g, " ")

const Output = ({ result }: { readonly result: ToolResultBlock }) => {
  const { output } = result
  if (typeof output === "string") return <LongText text={output === "" ? text.noOutput : output} label={text.result} />
  if (output.length === 0) return <p className="text-xs text-muted">{text.noOutput}</p>
  return (
    <div className="flex flex-col gap-2">
      {output.map((block) =>
        block.type === "text"
          ? <LongText key={block.id} text={block.text} label={text.result} />
          : <Data key={block.id} block={block} />
      )}
    </div>
  )
}

const Part = ({ children, title }: { readonly title: string; readonly children: React.ReactNode }) => (
  <div className="border-t border-line px-3 py-2">
    <p className="mb-1 text-xs font-medium text-muted">{title}</p>
    {children}
  </div>
)

export interface ToolCardProps {
  readonly call: ToolCallBlock
  readonly result: ToolResultBlock | undefined
}

/** A call of a tool: closed it says what was called and how it went; open, with what and what came of it. */
export const ToolCard = memo(({ call, result }: ToolCardProps) => {
  const state: State = result === undefined || call.state === "asking" ? call.state : result.state
  const { icon: Icon, tone } = looks[state]
  const isMoving = Icon === LoaderCircle
  return (
    <details className="group rounded-lg border border-line bg-panel">
      <summary className="flex min-w-0 items-center gap-2 px-3 py-2 text-sm select-none">
        <ChevronRight aria-hidden className="size-3.5 shrink-0 text-muted transition-transform group-open:rotate-90" />
        <span className="shrink-0 font-mono text-xs font-semibold">{plain(call.name)}</span>
        <span dir="ltr" className="min-w-0 flex-1 truncate font-mono text-xs text-muted group-open:invisible">
          {shortOf(call.input)}
        </span>
        <Badge tone={tone}>
          <Icon aria-hidden className={`size-3 ${isMoving ? "animate-spin" : ""}`} />
          {text.callStates[state]}
        </Badge>
      </summary>
      <Part title={text.arguments}>
        <LongText text={prettyOf(call.input)} label={text.arguments} />
      </Part>
      <Part title={text.result}>
        {result === undefined ? <p className="text-xs text-muted">{text.noResult}</p> : <Output result={result} />}
      </Part>
    </details>
  )
})
