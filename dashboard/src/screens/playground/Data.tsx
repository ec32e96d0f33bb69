/** A picture or a file of a message. What is stored here is read with the page's own credentials; nothing is read from elsewhere. */
import { useQuery } from "@tanstack/react-query"
import { Download, Paperclip } from "lucide-react"
import { useEffect, useMemo } from "react"
import type { DataBlock } from "stoa/domain/Message.ts"
import { client } from "../../api/Api.ts"
import { buttonLook } from "../../ui/Button.tsx"
import { words } from "../../words/words.ts"

const text = words.chat

/** Kinds of pictures that hold no script. */
const pictures = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"])

const isStored = (url: string) => /^\/sessions\/[^/?#]+\/files\/[^/?#]+$/.test(url)

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))

const blobOf = async ({ source }: DataBlock): Promise<Blob> => {
  if (source.type === "base64") return new Blob([bytesOf(source.data)], { type: source.media_type })
  const response = await client.open("GET", source.url)
  return response.blob()
}

export const Data = ({ block }: { readonly block: DataBlock }) => {
  const { id, name, source } = block
  const isHere = source.type === "base64" || isStored(source.url)
  const { data: blob } = useQuery({
    queryKey: ["file", id, source.type === "base64" ? source.data.length : source.url],
    queryFn: () => blobOf(block),
    enabled: isHere,
    staleTime: Infinity
  })
  const url = useMemo(() => blob === undefined ? undefined : URL.createObjectURL(blob), [blob])
  useEffect(() => () => {
    if (url !== undefined) URL.revokeObjectURL(url)
  }, [url])
  const called = name ?? source.media_type
  if (!isHere) {
    return (
      <p className="text-xs text-muted">
        {text.notLoaded}{" "}
        <a href={source.url} target="_blank" rel="noopener noreferrer nofollow" className="break-all">{source.url}</a>
      </p>
    )
  }
  if (url !== undefined && pictures.has(source.media_type)) {
    return <img src={url} alt={name ?? text.picture} className="max-h-80 max-w-full rounded-md border border-line" />
  }
  return (
    <a href={url} download={called} className={buttonLook("usual", "small")}>
      <Paperclip aria-hidden className="size-3.5" />
      {called}
      <Download aria-hidden className="size-3.5" />
    </a>
  )
}
