/** Reads an operator's folder without following what leads out of it, and no more of it than is bounded. */
import type { Stats } from "node:fs"
import * as Fs from "node:fs/promises"
import { join, relative, sep } from "node:path"
import type { Fault } from "../../domain/Definition.ts"

/** Entries of one folder that are looked at, and bytes of all files together. */
const maxEntries = 10_000
const maxBytes = 64 * 1024 * 1024

/** A file or folder that cannot be taken. */
export class Refused extends Error {
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.message)
    this.fault = fault
  }
}

export const whole = (file: string, message: string, fix: string): Fault => ({
  level: "error",
  file,
  line: 0,
  column: 0,
  message,
  fix
})

const codeOf = (cause: unknown) => cause instanceof Error && "code" in cause ? String(cause.code) : "unreadable"

/** Text and what shows that a file is another one. */
export interface TextFile {
  readonly text: string
  readonly stamp: string
}

/** `root` must be there. Paths are relative to it, with `/` between their parts. */
export const open = async (root: string) => {
  const real = await Fs.realpath(root)
  let bytes = 0

  const pathOf = (place: string) => join(real, ...place.split("/"))

  /** What is there, or undefined. What leads out of the folder is refused. */
  const statOf = async (place: string): Promise<Stats | undefined> => {
    const path = pathOf(place)
    try {
      const there = await Fs.realpath(path)
      if (there !== path && relative(real, there).split(sep)[0] === "..") {
        throw new Refused(whole(place, "This leads out of the folder of definitions.", "Put the file itself here."))
      }
      return await Fs.stat(there)
    } catch (cause) {
      if (cause instanceof Refused) throw cause
      const code = codeOf(cause)
      if (code === "ENOENT" || code === "ENOTDIR") return undefined
      throw new Refused(
        whole(
          place,
          code === "ELOOP" ? "This is a link that leads to itself." : `This cannot be read (${code}).`,
          code === "ELOOP" ? "Put the file itself here." : "Change its permissions."
        )
      )
    }
  }

  /** The names in a folder that are not hidden, in their order; none where there is no folder. */
  const namesIn = async (place: string): Promise<ReadonlyArray<string>> => {
    const found = await statOf(place)
    if (found === undefined) return []
    if (!found.isDirectory()) {
      throw new Refused(whole(place, "This is no folder.", "Make it a folder, or move it away."))
    }
    const names = await Fs.readdir(pathOf(place)).catch((cause: unknown) => {
      throw new Refused(whole(place, `This cannot be read (${codeOf(cause)}).`, "Change its permissions."))
    })
    if (names.length > maxEntries) {
      throw new Refused(whole(place, `There are more than ${maxEntries} entries here.`, "Move some away."))
    }
    return names.filter((name) => !name.startsWith(".") && !name.startsWith("_")).toSorted()
  }

  /** The text of a file; undefined where there is none. */
  const textOf = async (place: string, most: number): Promise<TextFile | undefined> => {
    const found = await statOf(place)
    if (found === undefined) return undefined
    if (!found.isFile()) throw new Refused(whole(place, "This is no file.", "Put a file here, or move it away."))
    if (found.size > most) {
      throw new Refused(whole(place, `The file has more than ${most} bytes.`, "Make it shorter."))
    }
    bytes += found.size
    if (bytes > maxBytes) {
      throw new Refused(whole(place, `All files together have more than ${maxBytes} bytes.`, "Move some away."))
    }
    const content = await Fs.readFile(pathOf(place)).catch((cause: unknown) => {
      throw new Refused(whole(place, `This cannot be read (${codeOf(cause)}).`, "Change its permissions."))
    })
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(content.subarray(0, most))
      if (text.includes("\0")) throw new TypeError("binary")
      return { text, stamp: `${found.mtimeMs}.${found.size}` }
    } catch {
      throw new Refused(whole(place, "The file is no text in UTF-8.", "Save it as UTF-8."))
    }
  }

  return { namesIn, pathOf, statOf, textOf }
}

export type Disk = Awaited<ReturnType<typeof open>>

/** What is refused becomes a fault, and everything else goes on. */
export const gathering = async <A>(faults: Array<Fault>, work: () => Promise<A>): Promise<A | undefined> => {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause
    faults.push(cause.fault)
    return undefined
  }
}
