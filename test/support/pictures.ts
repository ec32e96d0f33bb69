/** Files for tests: the beginnings that their types have, and as many bytes as are wanted. */
import { randomBytes } from "node:crypto"

const withBytes = (beginning: Uint8Array, size: number) =>
  Buffer.concat([beginning, randomBytes(Math.max(0, size - beginning.length))])

const pngHead = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
const jpegHead = Buffer.from([0xff, 0xd8, 0xff, 0xe0])

export const png = (size = 100): Buffer => withBytes(pngHead, size)
export const jpeg = (size = 100): Buffer => withBytes(jpegHead, size)
export const gif = (size = 100): Buffer => withBytes(Buffer.from("GIF89a"), size)
export const pdf = (size = 100): Buffer => withBytes(Buffer.from("%PDF-1.7\n"), size)
export const webp = (): Buffer =>
  Buffer.concat([Buffer.from("RIFF"), randomBytes(4), Buffer.from("WEBPVP8 "), randomBytes(50)])

/** A data block with the bytes in place. */
export const block = (bytes: Uint8Array, media_type = "image/png", more: object = {}) => ({
  type: "data",
  ...more,
  source: { type: "base64", media_type, data: Buffer.from(bytes).toString("base64") }
})

export const urlBlock = (url: string, media_type = "image/png") => ({
  type: "data",
  source: { type: "url", media_type, url }
})
