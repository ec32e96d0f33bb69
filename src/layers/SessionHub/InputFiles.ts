/**
 * Files that come with an input. Each is looked at before anything is accepted:
 * what no model could take is refused with the path of its block. Large ones are
 * stored, and their place in the input is taken by the path that gives them back.
 */
import { Effect } from "effect"
import { type AnswerInput, type ChatInput, type ChatRequest, type ExternalInput, isAnswer } from "../../domain/Chat.ts"
import { type FieldProblem, Invalid, LimitReached, type NotFound } from "../../domain/Errors.ts"
import { faultOf, fileAt, fileUrl, isMediaType, isWebUrl, maxInPlace, maxUrl, mediaTypeOf } from "../../domain/File.ts"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import type { DataSource, InputMessage } from "../../domain/Message.ts"
import * as Base64 from "../../services/Base64.ts"
import { Files, wholeOf } from "../../services/Files.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"

type Problem = typeof FieldProblem.Type

/** The files of one request, and how many bytes they may still have. */
interface Request {
  readonly owner: UserId
  readonly session: SessionId
  readonly megabytes: number
  left: number
}

type Refused = Invalid | NotFound | LimitReached

const megabyte = 1024 * 1024

const refuse = ({ message, path }: Problem) =>
  Effect.fail(new Invalid({ code: "invalid_file", detail: `${path} ${message}.`, errors: [{ path, message }] }))

interface Block {
  readonly type: string
  readonly name?: string | null | undefined
  readonly source?: DataSource
}

export const make = (megabytes: number) =>
  Effect.gen(function*() {
    const files = yield* Files
    const heavy = yield* HeavyWork

    /** The bytes as a source: in place when they are few. */
    const kept = Effect.fnUntraced(
      function*({ owner, session }: Request, media_type: string, name: string | null, bytes: Buffer) {
        if (bytes.length <= maxInPlace * 3 / 4) {
          return { type: "base64" as const, data: Base64.encode(bytes), media_type }
        }
        const stored = yield* files.put(owner, session, { media_type, name, bytes })
        return { type: "url" as const, url: fileUrl(stored), media_type }
      }
    )

    const ofBytes = Effect.fnUntraced(
      function*(request: Request, path: string, media_type: string, name: string | null, bytes: Buffer) {
        const fault = faultOf(media_type, bytes)
        if (fault !== undefined) return yield* refuse({ path, message: fault })
        request.left -= bytes.length
        if (request.left < 0) {
          return yield* refuse({
            path,
            message: `is too large: the files of one request may have ${request.megabytes} MB together`
          })
        }
        return yield* kept(request, media_type, name, bytes)
      }
    )

    /** A stored file that the input names. One of another session of the owner's becomes this session's as well. */
    const ofStored = Effect.fnUntraced(function*(request: Request, path: string, url: string) {
      const { owner, session } = request
      const at = fileAt(url)
      if (at === undefined) {
        return yield* refuse({
          path,
          message: "is neither a whole URL nor the path of a stored file, /sessions/{session_id}/files/{hash}"
        })
      }
      const none = () => refuse({ path, message: "names a file that is not stored, or not yours" })
      const known = yield* Effect.catchTag(files.get(owner, at.session_id, at.hash), "NotFound", none)
      const { media_type } = known
      if (at.session_id === session) return { type: "url" as const, url, media_type }
      const bytes = yield* Effect.catchTag(wholeOf(files, owner, known), "NotFound", none)
      return yield* kept(request, media_type, known.name, bytes)
    })

    const sourceOf = Effect.fnUntraced(
      function*(request: Request, at: string, source: DataSource, name: string | null) {
        const media_type = mediaTypeOf(source.media_type)
        if (!isMediaType(media_type)) {
          return yield* refuse({ path: `${at}.media_type`, message: "is not a media type such as image/png" })
        }
        if (source.type === "base64") {
          const path = `${at}.data`
          if (Base64.isDataUrl(source.data)) {
            return yield* refuse({ path, message: "begins with data:, where only the base64 after the comma belongs" })
          }
          const bytes = yield* Base64.decodeLong(source.data)
          if (bytes === undefined) return yield* refuse({ path, message: "is not base64" })
          return yield* ofBytes(request, path, media_type, name, bytes)
        }
        const path = `${at}.url`
        if (Base64.isDataUrl(source.url)) {
          const read = Base64.readDataUrl(source.url)
          const bytes = read === undefined || !read.isBase64
            ? read && Buffer.from(read.data)
            : yield* Base64.decodeLong(read.data)
          if (bytes === undefined) {
            return yield* refuse({
              path,
              message: "is a data: URL whose data cannot be read, or are long and not in base64"
            })
          }
          return yield* ofBytes(request, path, media_type, name, bytes)
        }
        if (source.url.length > maxUrl) {
          return yield* refuse({ path, message: `is longer than ${maxUrl} characters` })
        }
        if (isWebUrl(source.url)) return { ...source, media_type }
        return URL.canParse(source.url)
          ? yield* refuse({ path, message: "is not an http or https URL" })
          : yield* ofStored(request, path, source.url)
      }
    )

    const blocks = <A extends Block>(request: Request, at: string, given: ReadonlyArray<A>) =>
      Effect.forEach(given, (block, i): Effect.Effect<A, Refused> =>
        block.source === undefined ? Effect.succeed(block) : Effect.map(
          sourceOf(request, `${at}.${i}.source`, block.source, block.name ?? null),
          (source): A => ({ ...block, source })
        ))

    const message = (request: Request, at: string, input: InputMessage): Effect.Effect<InputMessage, Refused> =>
      typeof input.content === "string" ? Effect.succeed(input) : Effect.map(
        blocks(request, `${at}.content`, input.content),
        (content): InputMessage => ({ ...input, content })
      )

    const results = (request: Request, input: ExternalInput): Effect.Effect<ExternalInput, Refused> =>
      Effect.map(
        Effect.forEach(input.execution_results, (result, i) =>
          typeof result.output === "string" ? Effect.succeed(result) : Effect.map(
            blocks(request, `input.execution_results.${i}.output`, result.output),
            (output) => ({ ...result, output })
          )),
        (execution_results): ExternalInput => ({ ...input, execution_results })
      )

    const answer = (request: Request, input: AnswerInput): Effect.Effect<AnswerInput, Refused> =>
      input.type === "EXTERNAL_EXECUTION_RESULT" ? results(request, input) : Effect.succeed(input)

    const taken = (request: Request, input: ChatInput): Effect.Effect<ChatInput, Refused> =>
      input === null
        ? Effect.succeed(input)
        : isAnswer(input)
        ? answer(request, input)
        : "content" in input
        ? message(request, "input", input)
        : Effect.forEach(input, (one, i) =>
          message(request, `input.${i}`, one))

    /** The request with its files looked at and stored. Taking it once more changes nothing. */
    return (owner: UserId, request: ChatRequest): Effect.Effect<ChatRequest, Refused> => {
      if (!hasFiles(request.input)) {
        return Effect.succeed(request)
      }
      const one: Request = { owner, session: request.session_id, megabytes, left: megabytes * megabyte }
      return heavy.run(owner, "processor", taken(one, request.input)).pipe(
        Effect.map((input): ChatRequest => ({ ...request, input })),
        Effect.catchTag("HeavyWorkRefused", ({ retry_after }) =>
          Effect.fail(
            new LimitReached({
              code: "too_many_files",
              detail: "Too many of your files are being taken in at once. Try again.",
              retry_after
            })
          ))
      )
    }
  })

/** Files that are stored already need no second look. */
const isSettled = (source: DataSource | undefined) =>
  source === undefined || (source.type === "url" && !source.url.startsWith("/") && !Base64.isDataUrl(source.url) &&
    source.url.length <= maxUrl && isWebUrl(source.url) && isMediaType(source.media_type))

const holdsFiles = (blocks: string | ReadonlyArray<Block>) =>
  typeof blocks !== "string" && blocks.some(({ source }) => !isSettled(source))

const hasFiles = (input: ChatInput): boolean => {
  if (input === null) return false
  if (isAnswer(input)) {
    return input.type === "EXTERNAL_EXECUTION_RESULT" &&
      input.execution_results.some(({ output }) => holdsFiles(output))
  }
  return ("content" in input ? [input] : input).some(({ content }) => holdsFiles(content))
}

/** The stored files that an input names. */
export const hashesIn = (input: ChatInput) => {
  const sources = input === null
    ? []
    : isAnswer(input)
    ? (input.type === "EXTERNAL_EXECUTION_RESULT" ? input.execution_results.map(({ output }) => output) : [])
    : ("content" in input ? [input] : input).map(({ content }) => content)
  return sources.flatMap((blocks: string | ReadonlyArray<Block>) =>
    typeof blocks === "string" ? [] : blocks.flatMap(({ source }) => {
      const hash = source?.type === "url" ? fileAt(source.url)?.hash : undefined
      return hash === undefined ? [] : [hash]
    })
  )
}
