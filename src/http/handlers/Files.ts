import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { isHarmlessPicture, madeTypeOf, type StoredFile } from "../../domain/File.ts"
import { bytesOf, Files } from "../../services/Files.ts"
import { Api } from "../Api.ts"
import { disposition, rangeOf } from "./ByteRange.ts"
import * as MySession from "./MySession.ts"

const headersOf = (file: StoredFile): Record<string, string> => ({
  etag: `"${file.hash}"`,
  "accept-ranges": "bytes",
  "cache-control": "private, max-age=31536000, immutable",
  "content-disposition": disposition(file.name, isHarmlessPicture(file.media_type)),
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
          // One that was stored before types were looked at may be none.
          contentType: madeTypeOf(file.media_type),
          contentLength: to - from + 1,
          headers: range === "all" ? about : { ...about, "content-range": `bytes ${from}-${to}/${file.size}` }
        })
      })
    )
  }))
