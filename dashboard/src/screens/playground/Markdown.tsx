/** What a model writes. It is a stranger's text: no HTML of it is one, no address of it is called, and none runs. */
import { ExternalLink } from "lucide-react"
import { Component, memo, type ReactNode, useMemo } from "react"
import Reader, { type Components } from "react-markdown"
import gfm from "remark-gfm"
import { CodeBlock } from "../../ui/CodeBlock.tsx"
import { LongText } from "../../ui/LongText.tsx"
import { plain } from "../../ui/Plain.ts"
import { words } from "../../words/words.ts"
import { isReadable, piecesOf } from "./Pieces.ts"

const text = words.chat

const isWeb = (url: string | undefined): url is string => url !== undefined && /^(?:https?:\/\/|mailto:)/i.test(url)

const textIn = (node: unknown): string => {
  if (typeof node === "string") return node
  if (Array.isArray(node)) return node.map(textIn).join("")
  return ""
}

const Heading = ({ children }: { readonly children?: ReactNode }) => <h2>{children}</h2>
const Smaller = ({ children }: { readonly children?: ReactNode }) => <p className="font-semibold">{children}</p>

const components: Components = {
  // The levels of a model are not those of the page.
  h1: Heading,
  h2: Heading,
  h3: Smaller,
  h4: Smaller,
  h5: Smaller,
  h6: Smaller,
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

const AsItIs = ({ source }: { readonly source: string }) => (
  <LongText text={source} label={text.message} className="font-sans text-sm" />
)

/** What a reader breaks on is shown as it is, and does not take the page with it. */
class Safe
  extends Component<{ readonly source: string; readonly children: ReactNode }, { readonly isBroken: boolean }>
{
  override state = { isBroken: false }

  static getDerivedStateFromError() {
    return { isBroken: true }
  }

  override render() {
    return this.state.isBroken ? <AsItIs source={this.props.source} /> : this.props.children
  }
}

const Piece = memo(({ piece }: { readonly piece: string }) => (
  <Safe source={piece}>
    <Reader remarkPlugins={plugins} components={components}>{piece}</Reader>
  </Safe>
))

/** What is read as Markdown of one text: so many characters, in so many pieces. What comes behind is shown as it is. */
const maxRead = 200_000
const maxPieces = 400

export const Markdown = memo(({ source }: { readonly source: string }) => {
  const { read, rest } = useMemo(() => {
    const pieces = piecesOf(plain(source.slice(0, maxRead)))
    return {
      read: pieces.slice(0, maxPieces).map((piece) => ({ piece, isReadable: isReadable(piece) })),
      rest: pieces.slice(maxPieces).join("") + source.slice(maxRead)
    }
  }, [source])
  return (
    <div dir="auto" className="markdown">
      {read.map(({ isReadable, piece }, place) =>
        isReadable ? <Piece key={place} piece={piece} /> : <AsItIs key={place} source={piece} />
      )}
      {rest !== "" && <AsItIs source={rest} />}
    </div>
  )
})
