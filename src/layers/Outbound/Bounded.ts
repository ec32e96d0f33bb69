/** Bounds the size of HTTP answers: code that reads one whole, such as an error's text, must not be fed for ever. */
import { OutboundRefused } from "../../services/Outbound.ts"

/** Longest answer that is no stream, in bytes after decompression. */
const maxBytes = 10 * 1024 * 1024

/** Streams are read piece by piece, and the connection bounds their size. */
const streams = /^(text\/event-stream|application\/(x-ndjson|vnd\.amazon\.eventstream|connect\+json))\b/i

const tooLarge = () => new OutboundRefused({ code: "response_too_large" })

const isStream = ({ headers, ok }: Response) =>
  ok && !headers.has("content-encoding") && streams.test(headers.get("content-type") ?? "")

/** The same answer, which breaks off with `OutboundRefused` when it is too large. */
export const bounded = (response: Response): Response => {
  const { body, headers, status, statusText } = response
  if (body === null || isStream(response)) return response
  let left = maxBytes
  const counted = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        left -= chunk.byteLength
        if (left < 0) controller.error(tooLarge())
        else controller.enqueue(chunk)
      }
    })
  )
  return new Response(counted, { status, statusText, headers })
}
