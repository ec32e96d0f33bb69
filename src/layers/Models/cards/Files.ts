/** Model cards as YAML files, one for each model. A file that is wrong is skipped, and told of. */
import { Either, ParseResult, Schema } from "effect"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { EmbeddingCardDraft, ModelCardDraft } from "../../../domain/Model.ts"

/** Most files of a folder that are read, and bytes of one. */
const maxFiles = 1000
const maxBytes = 64 * 1024

/** Longest reason that is told, in characters. */
const longestReason = 200

/** What a folder says; `problems` are sentences about what was skipped. */
export interface Folder {
  readonly chat: ReadonlyArray<ModelCardDraft>
  readonly embedding: ReadonlyArray<EmbeddingCardDraft>
  readonly problems: ReadonlyArray<string>
}

type Draft = ModelCardDraft | EmbeddingCardDraft

const strict = { onExcessProperty: "error", errors: "first" } as const
const chatDraft = Schema.decodeUnknownEither(ModelCardDraft, strict)
const embeddingDraft = Schema.decodeUnknownEither(EmbeddingCardDraft, strict)

const decode = (value: unknown): Either.Either<Draft, ParseResult.ParseError> =>
  typeof value === "object" && value !== null && "type" in value && value.type === "embedding_model"
    ? embeddingDraft(value)
    : chatDraft(value)

const codeOf = (cause: unknown) => cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable"

/** What is wrong, in a line. */
const reasonOf = (cause: unknown): string => {
  if (ParseResult.isParseError(cause)) {
    const [first] = ParseResult.ArrayFormatter.formatErrorSync(cause)
    return `${first?.path.join(".") ?? ""} ${first?.message.replace(/, expected: [\s\S]*/, "") ?? ""}`.trim().slice(
      0,
      longestReason
    )
  }
  const message = cause instanceof Error ? cause.message.trim() : "it cannot be read"
  return message.split("\n")[0]!.replace(/[.:]$/, "").slice(0, longestReason)
}

const namesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  try {
    const names = await Fs.readdir(folder)
    return names.filter((name) => /\.ya?ml$/.test(name)).toSorted()
  } catch (cause) {
    if (codeOf(cause) === "ENOENT") return []
    throw cause
  }
}

const readDraft = async (path: string, parse: (text: string) => unknown): Promise<Draft> => {
  const { size } = await Fs.stat(path)
  if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`)
  const draft = decode(parse(await Fs.readFile(path, "utf8")))
  if (Either.isLeft(draft)) throw draft.left
  return draft.right
}

/** All that a folder says; never rejects. One that is not there says nothing. */
export const readFolder = async (folder: string): Promise<Folder> => {
  const problems: Array<string> = []
  const skip = (file: string, why: string) => problems.push(`${Path.join(folder, file)} is skipped: ${why}.`)
  const names = await namesIn(folder).catch((cause: unknown) => {
    problems.push(`The folder ${folder} of model cards cannot be read (${codeOf(cause)}).`)
    return []
  })
  if (names.length === 0) return { chat: [], embedding: [], problems }
  const { parse } = await import("yaml")
  const read = await Promise.all(
    names.slice(0, maxFiles).map((name) =>
      readDraft(Path.join(folder, name), parse).then(Either.right, (cause: unknown) => Either.left(reasonOf(cause)))
    )
  )
  const drafts = new Map<string, Draft>()
  for (const [i, draft] of read.entries()) {
    if (Either.isLeft(draft)) {
      skip(names[i]!, draft.left)
      continue
    }
    const { name, type } = draft.right
    if (drafts.has(`${type} ${name}`)) skip(names[i]!, `another file here is about ${name} too`)
    else drafts.set(`${type} ${name}`, draft.right)
  }
  for (const name of names.slice(maxFiles)) skip(name, `the folder has more than ${maxFiles} files`)
  const all = [...drafts.values()]
  return {
    chat: all.filter((draft) => draft.type === "chat_model"),
    embedding: all.filter((draft) => draft.type === "embedding_model"),
    problems
  }
}
