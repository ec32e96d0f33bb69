import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { isHarmlessPicture, type StoredFile } from "../../domain/File.ts"
import { bytesOf, Files } from "../../services/Files.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

interface Range {
  readonly from: number
  /** The last byte itself. */
  readonly to: number
}

/**
 * The part that is asked for. Several parts at once, a part that is not there, and
 * what cannot be read count as all of it, as RFC 9110, section 14.2, allows.
 */
const rangeOf = (header: string | undefined, size: number): Range | "all" => {
  const [, first = "", last = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? "") ?? []
  if (first === "" && last === "") return "all"
  const from = first === "" ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === "" || last === "" ? size - 1 : Math.min(Number(last), size - 1)
  if (first !== "" && last !== "" && Number(last) < from) return "all"
  return from > to ? "all" : { from, to }
}

/** Half of a surrogate pair alone cannot be encoded. */
const wellFormed = (text: string) =>
  text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")

/** A name in a header: in plain characters for old clients, and whole for the others. */
const disposition = ({ media_type, name }: StoredFile): string => {
  const kind = isHarmlessPicture(media_type) ? "inline" : "attachment"
  if (name === null || name === "") return kind
  const plain = name.replace(/[^\x20-\x7e]|["\\%/]/g, "_").slice(0, 200)
  const whole = encodeURIComponent(wellFormed(name.slice(0, 200))).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `${kind}; filename="${plain}"; filename*=UTF-8''${whole}`
}

const headersOf = (file: StoredFile): Record<string, string> => ({
  etag: `"${file.hash}"`,
  "accept-ranges": "bytes",
  "cache-control": "private, max-age=31536000, immutable",
  "content-disposition": disposition(file),
  // Nothing in a file may run, whatever shows it.
  "content-security-policy": "sandbox; default-src 'none'",
  "cross-origin-resource-policy": "same-origin"
})

export const layer = HttpApiBuilder.group(Api, "files", (handlers) =>
  Effect.gen(function*() {
    const files = yield* Files
    const mine = yield* MySession.make

    return handlers.handle(
      "get",
      Effect.fnUntraced(function*({ headers, path }) {
        const { id, user_id } = yield* mine(path.session_id)
        const file = yield* files.get(user_id, id, path.hash)
        const about = headersOf(file)
        if (headers["if-none-match"]?.includes(about["etag"]!) === true) {
          return HttpServerResponse.empty({ status: 304, headers: about })
        }
        const range = rangeOf(headers.range, file.size)
        const { from, to } = range === "all" ? { from: 0, to: file.size - 1 } : range
        return HttpServerResponse.stream(bytesOf(files, user_id, file, from, to), {
          status: range === "all" ? 200 : 206,
          contentType: file.media_type,
          contentLength: to - from + 1,
          headers: range === "all" ? about : { ...about, "content-range": `bytes ${from}-${to}/${file.size}` }
        })
      })
    )
  }))
