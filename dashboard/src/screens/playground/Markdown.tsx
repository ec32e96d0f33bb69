/** What a model writes. It is a stranger's text: no HTML of it is one, no address of it is called, and none runs. */
import { ExternalLink } from "lucide-react"
import { memo, useMemo } from "react"
import Reader, { type Components } from "react-markdown"
import gfm from "remark-gfm"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"
import { maxPiece, piecesOf } from "./Pieces.ts"

const text = words.chat

const isWeb = (url: string | undefined): url is string => url !== undefined && /^(?:https?:\/\/|mailto:)/i.test(url)

const textIn = (node: unknown): string => {
  if (typeof node === "string") return node
  if (Array.isArray(node)) return node.map(textIn).join("")
  return ""
}

const components: Components = {
  a: ({ children, href }) =>
    isWeb(href)
      ? <a href={href} target="_blank" rel="noopener noreferrer nofollow" title={href}>{children}</a>
      : <span>{children}</span>,
  // A picture of another server would tell that server who reads.
  img: ({ alt, src }) => (
    <span className="inline-flex items-center gap-1 rounded-md border border-line bg-sunken px-1.5 py-0.5 text-xs text-muted">
      {text.notLoaded} {alt}
      {isWeb(typeof src === "string" ? src : undefined) && (
        <a href={String(src)} target="_blank" rel="noopener noreferrer nofollow" aria-label={`${text.open} ${alt}`}>
          <ExternalLink aria-hidden className="size-3" />
        </a>
      )}
    </span>
  ),
  pre: ({ children }) => <>{children}</>,
  code: ({ children, className, node }) => {
    const content = textIn(children)
    // A block of code ends with the end of its line; code inside of a line does not.
    return className !== undefined || node?.position?.start.line !== node?.position?.end.line || content.endsWith("\n")
      ? <CodeBlock text={content.replace(/\n$/, "")} label={className?.replace("language-", "") ?? words.app.details} />
      : <code className="rounded bg-sunken px-1 py-0.5 font-mono text-[0.85em] break-words">{children}</code>
  },
  table: ({ children }) => (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={words.app.details}>
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }) => <span aria-hidden>{checked === true ? "☑ " : "☐ "}</span>
}

const plugins = [gfm]

const Piece = memo(({ piece }: { readonly piece: string }) =>
  piece.length > maxPiece
    ? <LongText text={piece} label={text.message} />
    : <Reader remarkPlugins={plugins} components={components}>{piece}</Reader>
)

/** Pieces that are shown: beyond them the rest is shown as it is. */
const maxPieces = 400

export const Markdown = memo(({ source }: { readonly source: string }) => {
  const pieces = useMemo(() => piecesOf(plain(source.slice(0, maxPiece * 10))), [source])
  const shown = pieces.slice(0, maxPieces)
  const rest = pieces.slice(maxPieces).join("") + source.slice(maxPiece * 10)
  return (
    <div dir="auto" className="markdown">
      {shown.map((piece, place) => <Piece key={place} piece={piece} />)}
      {rest !== "" && <LongText text={rest} label={text.message} />}
    </div>
  )
})
