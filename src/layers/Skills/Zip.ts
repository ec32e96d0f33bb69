/**
 * Zip archives as sources. The library refuses names that lead out and sizes that are lies; what the archive says of
 * itself is checked here before anything is unpacked, and each file is unpacked as a stream.
 */
import { Effect, Stream } from "effect"
import { crc32, inflateRawSync } from "node:zlib"
import * as yauzl from "yauzl"
import type { Invalid } from "../../domain/Errors.ts"
import { maxPackedBytes, maxSkillFiles, skillRefused } from "../../domain/SkillFiles.ts"
import { nextTurn } from "../../services/NextTurn.ts"
import type { Opening } from "./Source.ts"

/** Entries of an archive: folders and litter count too. */
const maxEntries = maxSkillFiles * 2

/** Entries that are looked at in one turn of the event loop. */
const entriesAtOnce = 200

const notZip = skillRefused("it is no zip archive that can be read, or its names lead out of it")

/** The kind of a file that a Unix system has packed, in the upper half of its attributes. */
const kindMask = 0o170000
const regular = 0o100000
const folder = 0o040000

const stored = 0
const deflated = 8

/** Files of at most so many bytes are unpacked at once: streams cost more than all else of them. */
const small = 64 * 1024

/** What of an entry is known to be wrong. */
const problemOf = (entry: yauzl.Entry): Invalid | undefined => {
  const { compressionMethod, externalFileAttributes, fileName } = entry
  const kind = (externalFileAttributes >>> 16) & kindMask
  if (kind !== 0 && kind !== regular && kind !== folder) {
    return skillRefused("a file of the archive is a link or a device", fileName)
  }
  if (kind === folder && !fileName.endsWith("/")) return skillRefused("a folder of the archive has bytes", fileName)
  if (entry.isEncrypted()) return skillRefused("a file of the archive is encrypted", fileName)
  if (compressionMethod !== stored && compressionMethod !== deflated) {
    return skillRefused("a file of the archive is packed by an unknown method", fileName)
  }
  return undefined
}

const tried = <A>(work: () => Promise<A>): Effect.Effect<A, Invalid> =>
  Effect.tryPromise({ try: work, catch: () => notZip })

/** Reads what the archive has, without unpacking it. */
const entriesOf = Effect.fnUntraced(function*(zip: yauzl.ZipFile) {
  const entries: Array<yauzl.Entry> = []
  const all = zip.eachEntry()
  for (let i = 0;; i++) {
    if (i % entriesAtOnce === 0) yield* nextTurn
    const { done, value } = yield* tried(() => all.next())
    if (done === true) return entries
    const entry: yauzl.Entry = value
    const problem = problemOf(entry)
    if (problem !== undefined) return yield* problem
    if (!entry.fileName.endsWith("/")) entries.push(entry)
    else if (entry.uncompressedSize > 0) return yield* skillRefused("a folder of the archive has bytes", entry.fileName)
  }
})

/** What stands before the bytes of a file: a mark, and how long its name and what else is told of it are. */
const localHeader = { mark: 0x04034b50, bytes: 30, name: 26, extra: 28 }

/** Undefined where it is broken, or has another size than is told. */
const wholeOf = (buffer: Buffer, entry: yauzl.Entry): Effect.Effect<Uint8Array> | undefined => {
  const { compressedSize, compressionMethod, relativeOffsetOfLocalHeader: at, uncompressedSize } = entry
  if (at + localHeader.bytes > buffer.length || buffer.readUInt32LE(at) !== localHeader.mark) return undefined
  const from = at + localHeader.bytes + buffer.readUInt16LE(at + localHeader.name) +
    buffer.readUInt16LE(at + localHeader.extra)
  const packed = buffer.subarray(from, from + compressedSize)
  const bytes = compressionMethod === stored ? packed : inflated(packed, uncompressedSize)
  return packed.length === compressedSize && bytes?.length === uncompressedSize && crc32(bytes) === entry.crc32
    ? Effect.succeed(bytes)
    : undefined
}

const inflated = (packed: Buffer, size: number): Buffer | undefined => {
  try {
    // The library wants room for one byte.
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, size) })
  } catch {
    return undefined
  }
}

export const open = Effect.fnUntraced(function*(bytes: Uint8Array) {
  if (bytes.length > maxPackedBytes) return yield* skillRefused(`the archive has more than ${maxPackedBytes} bytes`)
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const zip = yield* tried(() => yauzl.fromBufferPromise(buffer, { strictFileNames: true, validateEntrySizes: true }))
  if (zip.entryCount > maxEntries) return yield* skillRefused(`the archive has more than ${maxEntries} entries`)
  const entries = yield* entriesOf(zip)
  const packed = entries.reduce((sum, { compressedSize }) => sum + compressedSize, 0)
  // Some bombs unpack the same bytes again and again.
  if (packed > bytes.length) return yield* skillRefused("files of the archive lie on each other")

  return {
    brought: entries.map(({ fileName, uncompressedSize }) => ({ path: fileName, size: uncompressedSize })),
    packed: bytes.length,
    bytes: (place: number) => {
      const entry = entries[place]!
      const broken = skillRefused("a file of the archive is broken", entry.fileName)
      if (Math.max(entry.uncompressedSize, entry.compressedSize) <= small) {
        return Effect.suspend(() => wholeOf(buffer, entry) ?? broken)
      }
      return Stream.unwrap(
        Effect.map(
          Effect.tryPromise({ try: () => zip.openReadStreamPromise(entry), catch: () => broken }),
          (readable) => {
            let sum = 0
            return Stream.concat(
              Stream.map(Stream.fromAsyncIterable<Uint8Array, Invalid>(readable, () => broken), (piece) => {
                sum = crc32(piece, sum)
                return piece
              }),
              Stream.fromEffect(Effect.suspend(() => sum === entry.crc32 ? Effect.void : broken)).pipe(Stream.drain)
            )
          }
        )
      )
    }
  }
}) satisfies (bytes: Uint8Array) => Opening
