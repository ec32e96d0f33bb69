/**
 * Files of a session: pictures, documents and other bytes that people send and
 * that models and tools make. Small ones stay in their block; others are stored
 * once by their hash, and the block has the path that gives them back.
 */
import { Schema } from "effect"
import type { SessionId } from "./Ids.ts"

/** SHA-256 of the bytes, as 64 hexadecimal digits. */
export const FileHash = Schema.String.pipe(
  Schema.pattern(/^[0-9a-f]{64}$/, { message: () => "Expected 64 hexadecimal digits, in lower case" }),
  Schema.brand("FileHash")
)
export type FileHash = typeof FileHash.Type

/** What is known of a file that a session holds. */
export interface StoredFile {
  readonly session_id: SessionId
  readonly hash: FileHash
  /** In lower case, without parameters. */
  readonly media_type: string
  /** Bytes. */
  readonly size: number
  readonly name: string | null
}

/** Longest base64 text that stays in its block, in characters; longer ones become stored files. */
export const maxInPlace = 16 * 1024

/** Bytes that the files of one request may have together, unless the operator chose another number of megabytes. */
export const defaultFilesMegabytes = 20

/** The path that gives a file back; it stands as the `url` of a block's source. */
export const fileUrl = ({ hash, session_id }: Pick<StoredFile, "hash" | "session_id">): string =>
  `/sessions/${session_id}/files/${hash}`

const path = /^\/sessions\/([\x21-\x2e\x30-\x7e]{1,128})\/files\/([0-9a-f]{64})$/

/** The file that such a path names, whoever it belongs to; undefined for any other URL. */
export const fileAt = (url: string): { readonly session_id: SessionId; readonly hash: FileHash } | undefined => {
  const [, session, hash] = path.exec(url) ?? []
  return session === undefined ? undefined : { session_id: session as SessionId, hash: hash as FileHash }
}

/** Longest URL of a file, in characters. */
export const maxUrl: number = 8 * 1024

/** Whether it is an address of the web, which others can follow. */
export const isWebUrl = (url: string): boolean => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)

/** Names that some give to media types, and their own. */
const ownNames = new Map([
  ["image/jpg", "image/jpeg"],
  ["image/pjpeg", "image/jpeg"],
  ["image/x-png", "image/png"],
  ["application/x-pdf", "application/pdf"],
  ["audio/mp3", "audio/mpeg"],
  ["audio/x-wav", "audio/wav"],
  ["audio/wave", "audio/wav"]
])

/** A media type by its own name: in lower case and without parameters. */
export const mediaTypeOf = (given: string): string => {
  const type = given.split(";", 1)[0]!.trim().toLowerCase()
  return ownNames.get(type) ?? type
}

const mediaType = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/

export const isMediaType = (type: string): boolean => mediaType.test(type)

/** The type of a file that a model or a tool has made, who may say anything; what is none stands for bytes of any kind. */
export const madeTypeOf = (given: string): string => {
  const type = mediaTypeOf(given)
  return isMediaType(type) ? type : "application/octet-stream"
}

/** Media types whose bytes are text for everybody. */
export const isText = (type: string): boolean => type.startsWith("text/") || type === "application/json"

const begins = (bytes: Uint8Array, at: number, ...wanted: ReadonlyArray<number>) =>
  bytes.length >= at + wanted.length && wanted.every((byte, i) => bytes[at + i] === byte)

const says = (bytes: Uint8Array, at: number, text: string) =>
  begins(bytes, at, ...Array.from(text, (character) => character.charCodeAt(0)))

/** Readers of PDF look for its header in so many bytes. */
const pdfHeader = 1024

const hasPdfHeader = (bytes: Uint8Array) => {
  const last = Math.min(pdfHeader, bytes.length - 5)
  for (let at = 0; at <= last; at++) if (bytes[at] === 0x25 && says(bytes, at, "%PDF-")) return true
  return false
}

const isIsoMedia = (bytes: Uint8Array) => says(bytes, 4, "ftyp")
const isMatroska = (bytes: Uint8Array) => begins(bytes, 0, 0x1a, 0x45, 0xdf, 0xa3)
const isOgg = (bytes: Uint8Array) => says(bytes, 0, "OggS")

/** How the bytes of these types begin. Types that are not here may begin in any way. */
const beginnings: Readonly<Record<string, (bytes: Uint8Array) => boolean>> = {
  "image/png": (bytes) => begins(bytes, 0, 0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
  "image/jpeg": (bytes) => begins(bytes, 0, 0xff, 0xd8, 0xff),
  "image/gif": (bytes) => says(bytes, 0, "GIF87a") || says(bytes, 0, "GIF89a"),
  "image/webp": (bytes) => says(bytes, 0, "RIFF") && says(bytes, 8, "WEBP"),
  "image/bmp": (bytes) => says(bytes, 0, "BM"),
  "image/tiff": (bytes) => begins(bytes, 0, 0x49, 0x49, 0x2a, 0) || begins(bytes, 0, 0x4d, 0x4d, 0, 0x2a),
  "image/avif": isIsoMedia,
  "image/heic": isIsoMedia,
  "image/heif": isIsoMedia,
  "application/pdf": hasPdfHeader,
  "application/zip": (bytes) => says(bytes, 0, "PK"),
  "audio/wav": (bytes) => says(bytes, 0, "RIFF") && says(bytes, 8, "WAVE"),
  "audio/mpeg": (bytes) => says(bytes, 0, "ID3") || (bytes[0] === 0xff && (bytes[1]! & 0xe0) === 0xe0),
  "audio/ogg": isOgg,
  "audio/flac": (bytes) => says(bytes, 0, "fLaC"),
  "audio/webm": isMatroska,
  "video/mp4": isIsoMedia,
  "video/quicktime": isIsoMedia,
  "video/webm": isMatroska,
  "video/ogg": isOgg
}

/** Types whose beginnings no text has. */
const binaries = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf", "application/zip"]

/** Bytes of a text that are looked at. */
const lookedAt = 8 * 1024

/** The type that the bytes show themselves to be, as far as it is one that models know well. */
const shown = (bytes: Uint8Array) => binaries.find((type) => type !== "application/zip" && beginnings[type]!(bytes))

/**
 * Why no model could take the file: a part of a sentence that begins with "is" or "are".
 * Undefined when nothing speaks against it.
 */
export const faultOf = (type: string, bytes: Uint8Array): string | undefined => {
  if (bytes.length === 0) return "is empty"
  const isWellBegun = beginnings[type]
  if (isWellBegun !== undefined) {
    if (isWellBegun(bytes)) return undefined
    const other = shown(bytes)
    return other === undefined ? `is not ${type}` : `is ${other} and not ${type}`
  }
  if (isText(type)) {
    const other = shown(bytes)
    if (other !== undefined) return `is ${other} and not ${type}`
    if (bytes.subarray(0, lookedAt).includes(0)) return `is not ${type}: it has zero bytes`
  }
  return undefined
}

/** Pictures that a browser shows without running anything in them. */
const harmlessPictures = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"])

/** Whether a browser may show it in place; all else is offered as a download. */
export const isHarmlessPicture = (type: string): boolean => harmlessPictures.has(type)
