/**
 * The binary frames of `application/vnd.amazon.eventstream`: lengths, headers
 * and payload between two CRC-32 sums.
 * https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html
 */
import { crc32 } from "node:zlib"

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** A header whose value is a text, which is type 7. */
const header = ([name, value]: readonly [string, string]) => {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(Buffer.byteLength(value))
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)])
}

export const frame = (headers: Readonly<Record<string, string>>, payload: object): Uint8Array => {
  const head = Buffer.concat(Object.entries(headers).map(header))
  const body = Buffer.from(JSON.stringify(payload))
  const lengths = Buffer.concat([uint32(16 + head.length + body.length), uint32(head.length)])
  const summed = Buffer.concat([lengths, uint32(crc32(lengths)), head, body])
  return Buffer.concat([summed, uint32(crc32(summed))])
}
