/** Zip archives as others write them, honest ones and such as lie. */
import { crc32, deflateRawSync } from "node:zlib"

export interface ZipEntry {
  readonly name: string | Buffer
  readonly data?: string | Uint8Array
  /** 8 is deflated, 0 is stored. */
  readonly method?: number
  readonly flags?: number
  /** The mode of a Unix file; a regular one without it. */
  readonly mode?: number
  /** What is told instead of the truth. */
  readonly size?: number
  readonly packed?: number
  readonly crc?: number
  /** Another entry's place, for files that lie on each other. */
  readonly at?: number
}

const headerOf = (entry: ZipEntry) => {
  const data = Buffer.from(entry.data ?? "")
  const method = entry.method ?? 8
  const packed = method === 8 ? deflateRawSync(data) : data
  const name = Buffer.from(entry.name)
  const shared = Buffer.alloc(26)
  shared.writeUInt16LE(20, 0)
  shared.writeUInt16LE(entry.flags ?? 0x800, 2)
  shared.writeUInt16LE(method, 4)
  shared.writeUInt32LE(entry.crc ?? crc32(data), 10)
  shared.writeUInt32LE(entry.packed ?? packed.length, 14)
  shared.writeUInt32LE(entry.size ?? data.length, 18)
  shared.writeUInt16LE(name.length, 22)
  return { name, packed, shared }
}

export const zipOf = (entries: ReadonlyArray<ZipEntry>): Buffer => {
  const files: Array<Buffer> = []
  const central: Array<Buffer> = []
  let at = 0
  for (const entry of entries) {
    const { name, packed, shared } = headerOf(entry)
    const local = Buffer.concat([Buffer.from("PK\x03\x04", "latin1"), shared, name, packed])
    const head = Buffer.alloc(20)
    // File comment, disk, internal attributes; then the mode of a Unix system, and the place.
    head.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 6)
    head.writeUInt32LE(entry.at ?? at, 10)
    central.push(Buffer.from("PK\x01\x02\x14\x03", "latin1"), shared, head.subarray(0, 14), name)
    if (entry.at === undefined) {
      files.push(local)
      at += local.length
    }
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write("PK\x05\x06", "latin1")
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...files, directory, end])
}

export const skillMd = (name: string, description = "Fills in forms.", body = "Do it well."): string =>
  `---\nname: ${name}\ndescription: ${description}\n---\n\n${body}\n`

/** A skill in a folder, as most archives have it. */
export const skillZip = (name: string, files: Readonly<Record<string, string | Uint8Array>> = {}): Buffer =>
  zipOf([
    { name: `${name}/`, mode: 0o040755 },
    { name: `${name}/SKILL.md`, data: skillMd(name) },
    ...Object.entries(files).map(([path, data]) => ({ name: `${name}/${path}`, data }))
  ])
