/** One message. */
import { useNavigate } from "@tanstack/react-router"
import { Brain, ChevronRight, Copy, Ellipsis, Info, Repeat2, SquareTerminal, Waypoints } from "lucide-react"
import { memo, type ReactNode } from "react"
import { textOf } from "stoa/client/Client.ts"
import type { ContentBlock, Message, ToolResultBlock } from "stoa/domain/Message.ts"
import { IconButton } from "../../ui/Button.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { Menu, type MenuItem } from "../../ui/Menu.tsx"
import { Notice } from "../../ui/Notice.tsx"
import { short } from "../../ui/Numbers.ts"
import { plain } from "../../ui/Plain.ts"
import { Time } from "../../ui/Time.tsx"
import { words } from "../../words/words.ts"
import { Data } from "./Data.tsx"
import { Markdown } from "./Markdown.tsx"
import { runOfReply, sendAgain } from "./Runs.ts"
import { curlOf, typescriptOf } from "./Snippets.ts"
import { ToolCard } from "./ToolCard.tsx"

const text = words.chat

const Folded = (
  { children, icon: Icon, isLive = false, title }: {
    readonly title: string
    readonly icon: typeof Brain
    readonly isLive?: boolean
    readonly children: ReactNode
  }
) => (
  <details className="group text-sm">
    <summary className={`inline-flex items-center gap-1.5 text-xs text-muted select-none ${isLive ? "waits" : ""}`}>
      <Icon aria-hidden className="size-3.5" />
      {title}
      <ChevronRight aria-hidden className="size-3 transition-transform group-open:rotate-90" />
    </summary>
    <div className="mt-1.5 border-l-2 border-line pl-3 text-muted">{children}</div>
  </details>
)

interface BlockProps {
  readonly block: ContentBlock
  /** What came of it, where it is a call. */
  readonly result: ToolResultBlock | undefined
  readonly isLast: boolean
}

const Block = memo(({ block, isLast, result }: BlockProps) => {
  switch (block.type) {
    case "text":
      return block.text === "" ? null : <Markdown source={block.text} />
    case "thinking":
      return block.thinking === "" ?
        null :
        (
          <Folded icon={Brain} title={isLast ? text.thinking : text.thought} isLive={isLast}>
            <LongText text={block.thinking} label={text.thought} className="font-sans" />
          </Folded>
        )
    case "data":
      return <Data block={block} />
    case "hint":
      return (
        <Folded icon={Info} title={text.hinted}>
          <LongText text={textOf(hintOf(block))} label={text.hinted} />
        </Folded>
      )
    case "tool_call":
      return <ToolCard call={block} result={result} />
    case "tool_result":
      return null
  }
})

const hintOf = ({ hint }: Extract<ContentBlock, { readonly type: "hint" }>) => hint

const Ending = ({ message: { error, finished_reason: reason } }: { readonly message: Message }) => {
  if (reason === undefined || reason === "completed") return null
  return (
    <Notice kind={reason === "error" ? "bad" : "warn"}>
      {error == null ? text.ended[reason] : plain(error.message)}
    </Notice>
  )
}

const Actions = ({ message, session_id }: { readonly message: Message; readonly session_id: string }) => {
  const navigate = useNavigate()
  const said = textOf(message.content)
  const copy = (what: string) => void navigator.clipboard.writeText(what)
  const items: ReadonlyArray<MenuItem> = message.role === "user"
    ? [
      { icon: Copy, label: text.copyText, onSelect: () => copy(said) },
      { icon: SquareTerminal, label: text.copyCurl, onSelect: () => copy(curlOf(session_id, said)) },
      { icon: SquareTerminal, label: text.copyTypescript, onSelect: () => copy(typescriptOf(session_id, said)) }
    ]
    : [
      { icon: Copy, label: text.copyText, onSelect: () => copy(said) },
      { icon: Repeat2, label: text.again, onSelect: () => void sendAgain(session_id, message.id) },
      {
        icon: Waypoints,
        label: text.showRun,
        onSelect: () => {
          void runOfReply(session_id, message.id).then((run) =>
            run === undefined ? undefined : navigate({ to: `/runs/${run.id}` })
          )
        }
      }
    ]
  return (
    <Menu items={items}>
      <IconButton
        icon={Ellipsis}
        label={text.messageActions}
        className="opacity-0 group-hover/said:opacity-100 focus-visible:opacity-100 data-[state=open]:opacity-100"
      />
    </Menu>
  )
}

export interface SaidProps {
  readonly message: Message
  readonly session_id: string
  /** It is still being written. */
  readonly isLive: boolean
}

export const Said = memo(({ isLive, message, session_id }: SaidProps) => {
  const { content, role, usage } = message
  const results = new Map(
    content.flatMap((block) => block.type === "tool_result" ? [[block.id as string, block] as const] : [])
  )
  const isUser = role === "user"
  return (
    <article
      aria-label={isUser ? text.you : message.name}
      aria-busy={isLive || undefined}
      className={`group/said mx-auto w-full max-w-3xl px-4 py-2 md:px-6 ${isUser ? "flex flex-col items-end" : ""}`}
    >
      {!isUser && (
        <header className="mb-1 flex h-6 items-center gap-2 text-xs text-muted">
          <span className="font-semibold text-text">{plain(message.name)}</span>
          <Time at={message.created_at} />
          {usage !== null && <span>{text.tokens(short(usage.input_tokens), short(usage.output_tokens))}</span>}
          <span className="flex-1" />
          {!isLive && <Actions message={message} session_id={session_id} />}
        </header>
      )}
      <div
        className={isUser
          ? "flex max-w-[85%] min-w-0 flex-col gap-2 rounded-2xl rounded-br-md bg-accent-soft px-3.5 py-2"
          : "flex min-w-0 flex-col gap-2.5"}
      >
        {content.map((block, place) =>
          isUser && block.type === "text"
            ? <LongText key={block.id} text={block.text} label={text.message} className="font-sans text-sm" />
            : (
              <Block
                key={`${block.type} ${block.id}`}
                block={block}
                result={block.type === "tool_call" ? results.get(block.id) : undefined}
                isLast={isLive && place === content.length - 1}
              />
            )
        )}
        {isLive && content.length === 0 && <span aria-hidden className="waits text-muted">●</span>}
        <Ending message={message} />
      </div>
      {isUser && (
        <footer className="flex h-6 items-center gap-1 text-xs text-muted">
          <Actions message={message} session_id={session_id} />
          <Time at={message.created_at} />
        </footer>
      )}
    </article>
  )
})
