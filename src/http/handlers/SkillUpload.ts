/** Reads an upload of a skill: an archive, or a form with the skill's files. It is in memory until it is stored, so it is counted. */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Duration, Effect, Schema, type Scope, Stream } from "effect"
import {
  Invalid,
  type LimitReached,
  Malformed,
  TooLarge,
  type Unavailable,
  UnsupportedContent
} from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { maxPackedBytes, maxSkillFiles } from "../../domain/SkillFiles.ts"
import type { SkillSource } from "../../services/Skills.ts"
import * as LargeBodies from "../middleware/LargeBodies.ts"
import * as Form from "./Form.ts"

const mebibyte = 1024 * 1024

/** Bytes of an upload, with what a form writes around its files. */
const maxBytes = maxPackedBytes + mebibyte

/** Bytes of uploads in memory: of one owner, and of all. */
const perOwner = 2 * maxBytes
const all = 8 * maxBytes

/** How long an upload may stand still, and how long it may take. */
const silence = Duration.seconds(20)
const longest = Duration.minutes(5)

/** Most entries that a form may tell of: what is left out of skills counts too. */
const maxEntries = maxSkillFiles * 2

const archive = /^application\/(zip|x-zip-compressed|octet-stream)\s*(;.*)?$/i

const halted = new Malformed({ code: "incomplete_body", detail: "The body ended before its end." })

const tooLarge = new TooLarge({
  detail: `The upload is larger than ${maxPackedBytes} bytes.`,
  errors: [{ path: "", message: `Expected at most ${maxPackedBytes} bytes` }]
})

const unsupported = new UnsupportedContent({
  detail: "The body must be a zip archive (application/zip) or a form (multipart/form-data)."
})

const invalid = (path: string, message: string) =>
  new Invalid({ detail: `The form is wrong: ${message}.`, errors: [{ path, message }] })

const Manifest = Schema.parseJson(Schema.Struct({
  entries: Schema.Array(Schema.Struct({ path: Schema.String, size: Schema.Int.pipe(Schema.nonNegative()) })).pipe(
    Schema.maxItems(maxEntries)
  )
}))

/** Longest manifest, in bytes. */
const maxManifest = mebibyte

const manifestOf = (bytes: Uint8Array) =>
  bytes.length > maxManifest
    ? invalid("manifest", `expected at most ${maxManifest} bytes`)
    : Effect.mapError(
      Schema.decode(Manifest)(Buffer.from(bytes).toString("utf8")),
      () => invalid("manifest", `expected the JSON {"entries": [{"path", "size"}]} with at most ${maxEntries} entries`)
    )

const sourceOf = Effect.fnUntraced(function*(parts: ReadonlyArray<Form.Part>) {
  const [first] = parts
  if (first === undefined) return yield* invalid("manifest", "there is no part in it")
  if (parts.length === 1 && (first.name === "file" || first.name === "files")) {
    return { type: "zip", bytes: first.bytes } satisfies SkillSource
  }
  if (first.name !== "manifest") return yield* invalid("manifest", "expected the manifest as the first part")
  const { entries } = yield* manifestOf(first.bytes)
  const files = parts.slice(1)
  const other = files.find(({ name }) => name !== "files")
  if (other !== undefined) return yield* invalid("files", "expected nothing but parts named files after the manifest")
  if (files.length !== entries.length) {
    return yield* invalid("files", `expected ${entries.length} files, as many as the manifest has entries`)
  }
  const wrong = entries.findIndex(({ size }, i) => size !== files[i]!.bytes.length)
  if (wrong >= 0) {
    return yield* invalid(`manifest.entries.${wrong}.size`, "a file has another size than the manifest says")
  }
  return {
    type: "files",
    files: entries.map(({ path }, i) => ({ path, bytes: files[i]!.bytes }))
  } satisfies SkillSource
})

type Problem = Invalid | LimitReached | Malformed | TooLarge | Unavailable | UnsupportedContent

export const make = () => {
  const bodies = LargeBodies.make({ perOwner, all })

  /** The body, which counts until the scope closes. */
  const collected = (request: HttpServerRequest.HttpServerRequest, owner: UserId) =>
    Effect.gen(function*() {
      let counted = 0
      yield* Effect.addFinalizer(() => Effect.sync(() => bodies.give(owner, counted)))
      const pieces: Array<Uint8Array> = []
      yield* request.stream.pipe(
        Stream.mapError(() => halted),
        Stream.timeoutFail(() => halted, silence),
        Stream.runForEach((piece): Effect.Effect<void, Problem> => {
          if (counted + piece.length > maxBytes) return tooLarge
          const problem = bodies.take(owner, piece.length)
          if (problem !== undefined) return Effect.fail(problem)
          counted += piece.length
          pieces.push(piece)
          return Effect.void
        }),
        Effect.timeoutFail({ duration: longest, onTimeout: () => halted })
      )
      return Buffer.concat(pieces)
    })

  return Effect.fnUntraced(
    function*(
      owner: UserId
    ): Effect.fn.Return<SkillSource, Problem, HttpServerRequest.HttpServerRequest | Scope.Scope> {
      const request = yield* HttpServerRequest.HttpServerRequest
      const type = request.headers["content-type"] ?? ""
      const boundary = Form.boundaryOf(type)
      if (boundary === undefined && !archive.test(type)) return yield* unsupported
      const body = yield* collected(request, owner)
      return boundary === undefined
        ? { type: "zip", bytes: body }
        : yield* sourceOf(yield* Form.partsOf(body, boundary, maxEntries + 1))
    }
  )
}
