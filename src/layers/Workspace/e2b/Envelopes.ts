/** Pieces of a stream of the Connect protocol: a byte of flags, four bytes that say how long it is, and JSON. */

const headerBytes = 5

/** Longest piece that is taken, in bytes. */
const maxPiece = 4 * 1024 * 1024

/** The last piece, which says whether all went well. */
const isEnd = 0b10

export interface Envelope {
  readonly isEnd: boolean
  readonly body: unknown
}

export const enveloped = (body: object): Uint8Array<ArrayBuffer> => {
  const json = Buffer.from(JSON.stringify(body))
  const piece = new Uint8Array(headerBytes + json.length)
  new DataView(piece.buffer).setUint32(1, json.length)
  piece.set(json, headerBytes)
  return piece
}

/** Reads the pieces one after the other. What is cut, too long or no JSON is an error. */
export async function* envelopes(stream: ReadableStream<Uint8Array>): AsyncGenerator<Envelope, void> {
  let held: Array<Uint8Array> = []
  let size = 0
  let needed = headerBytes
  for await (const bytes of stream) {
    held.push(bytes)
    size += bytes.length
    if (size < needed) continue
    let rest = Buffer.concat(held)
    for (;;) {
      if (rest.length < headerBytes) {
        needed = headerBytes
        break
      }
      const length = rest.readUInt32BE(1)
      if (length > maxPiece) throw new Error("a piece is too long")
      needed = headerBytes + length
      if (rest.length < needed) break
      const body = JSON.parse(rest.subarray(headerBytes, needed).toString("utf8")) as unknown
      yield { isEnd: (rest[0]! & isEnd) !== 0, body }
      rest = rest.subarray(needed)
    }
    held = rest.length === 0 ? [] : [rest]
    size = rest.length
  }
  if (size > 0) throw new Error("a piece is cut")
}
