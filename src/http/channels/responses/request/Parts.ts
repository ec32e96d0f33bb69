/** Parts of a message or of a tool's output, in our words. */
import { Either } from "effect"
import type { Invalid } from "../../../../domain/Errors.ts"
import { maxUrl } from "../../../../domain/File.ts"
import type { DataSource, InputMessage } from "../../../../domain/Message.ts"
import { isBlank } from "../../../../domain/Text.ts"
import * as Base64 from "../../../../services/Base64.ts"
import { inPlace, pictureAt } from "../../openai/request/Messages.ts"
import { refuse } from "../../openai/request/Refused.ts"
import type { Part } from "./ItemSchemas.ts"

type InputBlock = Exclude<InputMessage["content"], string>[number]

type Read = Either.Either<InputBlock, Invalid>

const noFiles = "Files are not kept here: send what is in it"

const invalid = (path: string, message: string) => Either.left(refuse("invalid_file", path, message))

const data = (source: DataSource, name?: string | null): Read =>
  Either.right({ type: "data", source, ...(name != null && { name }) })

/** Either bytes in the URL itself, or where they are. */
const ofUrl = (url: string, path: string, typeAt: (url: string) => string, name?: string | null): Read => {
  if (Base64.isDataUrl(url)) {
    const source = inPlace(url)
    return source === undefined ? invalid(path, "Expected a data: URL in base64") : data(source, name)
  }
  if (url.length > maxUrl) return invalid(path, `Expected at most ${maxUrl} characters, or a data: URL`)
  return data({ type: "url", url, media_type: typeAt(url) }, name)
}

const documentAt = () => "application/pdf"

const read = (part: Part, at: string): Read => {
  switch (part.type) {
    case "refusal":
      return Either.right({ type: "text", text: part.refusal })
    case "input_image": {
      if (part.file_id != null) return invalid(`${at}.file_id`, noFiles)
      const path = `${at}.image_url`
      return part.image_url == null ? invalid(path, "Expected image_url") : ofUrl(part.image_url, path, pictureAt)
    }
    case "input_file": {
      const { file_data, file_id, file_url, filename } = part
      if (file_id != null) return invalid(`${at}.file_id`, noFiles)
      if (file_url != null) return ofUrl(file_url, `${at}.file_url`, documentAt, filename)
      const path = `${at}.file_data`
      if (file_data == null) return invalid(path, "Expected file_data")
      if (Base64.isDataUrl(file_data)) return ofUrl(file_data, path, documentAt, filename)
      return data({ type: "base64", data: file_data, media_type: "application/pdf" }, filename)
    }
    case "input_audio": {
      const { data: bytes, format } = part.input_audio
      return data({ type: "base64", data: bytes, media_type: format === "wav" ? "audio/wav" : "audio/mpeg" })
    }
    default:
      return Either.right({ type: "text", text: part.text })
  }
}

export const readAll = (parts: ReadonlyArray<Part>, at: string): Either.Either<ReadonlyArray<InputBlock>, Invalid> =>
  Either.map(
    Either.all(parts.map((part, i) => read(part, `${at}.${i}`))),
    (blocks) => blocks.filter((block) => block.type !== "text" || !isBlank(block.text))
  )

/** The content of a user's message: something has to be in it. */
export const contentOf = (
  content: string | ReadonlyArray<Part>,
  at: string
): Either.Either<InputMessage["content"], Invalid> => {
  const blank = () => Either.left(refuse("invalid", at, "Expected a text that is not blank, or a file"))
  if (typeof content === "string") return isBlank(content) ? blank() : Either.right(content)
  return Either.flatMap(
    readAll(content, at),
    (blocks): Either.Either<InputMessage["content"], Invalid> => blocks.length === 0 ? blank() : Either.right(blocks)
  )
}

/** What texts there are, one after the other. */
export const textOf = (content: string | ReadonlyArray<Part>): string =>
  typeof content === "string"
    ? content
    : content.map((part) => "text" in part ? part.text : part.type === "refusal" ? part.refusal : "").join("")
