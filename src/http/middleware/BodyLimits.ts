/** What bodies may have: their size, and the shape of what is in them. The bounds of a path's bodies are those of what it takes. */
import { Invalid, TooLarge } from "../../domain/Errors.ts"

const mebibyte = 1024 * 1024

/** Bytes of a body that has no files. */
export const maxBytes: number = mebibyte

/** Levels of objects and lists in each other. */
export const maxDepth = 64
/** Keys of objects and items of arrays, all together. */
const maxMembers = 10_000
const maxString = 256 * 1024

/** Longest results of tools that a client ran, all together, in characters; and bytes of a body beside its files. */
const maxResults = 4 * mebibyte
const besideFiles = 5 * mebibyte

/** Characters of a path that an error repeats. */
const maxPath = 200

export interface Limits {
  readonly bytes: number
  readonly tooLarge: TooLarge
  /** What a text in this place is, when it may be longer than others. */
  readonly longText: (path: string) => "file" | "result" | undefined
}

export const usual: Limits = {
  bytes: maxBytes,
  tooLarge: new TooLarge({
    detail: `The body is larger than 1 MiB (${maxBytes} bytes).`,
    errors: [{ path: "", message: `Expected at most ${maxBytes} bytes` }]
  }),
  longText: () => undefined
}

/** Where the bytes of a file stand in an input, and where the words of a client's tool. */
const filePlace = /^input\.(?:(?:\d+\.)?content|execution_results\.\d+\.output)\.\d+\.source\.(?:data|url)$/
const resultPlace = /^input\.execution_results\.\d+\.output(?:\.\d+\.text)?$/

/** For paths that take so many megabytes of files. */
export const withFiles = (megabytes: number, places: ReadonlyArray<RegExp> = []): Limits => {
  const bytes = Math.ceil(megabytes * 4 / 3) * mebibyte + besideFiles
  return {
    bytes,
    tooLarge: new TooLarge({
      detail: `The body is larger than ${bytes / mebibyte} MiB (${bytes} bytes), the most that this path takes: ` +
        `${megabytes} MB of files, which max_files_mb sets, written as base64, and ${
          besideFiles / mebibyte
        } MiB beside them.`,
      errors: [{ path: "input", message: `Expected at most ${megabytes} MB of files` }]
    }),
    longText: (path) =>
      filePlace.test(path) || places.some((place) => place.test(path))
        ? "file"
        : resultPlace.test(path)
        ? "result"
        : undefined
  }
}

/** For a body that is one file. */
export const oneFile = (megabytes: number): Pick<Limits, "bytes" | "tooLarge"> => {
  const bytes = Math.ceil(megabytes * mebibyte)
  return {
    bytes,
    tooLarge: new TooLarge({
      detail: `The file is larger than ${bytes} bytes, the most that one request brings, which max_files_mb sets.`,
      errors: [{ path: "", message: `Expected at most ${bytes} bytes` }]
    })
  }
}

/** For a body of bytes that has a bound of its own. */
export const bytesUpTo = (bytes: number): Pick<Limits, "bytes" | "tooLarge"> => ({
  bytes,
  tooLarge: new TooLarge({
    detail: `The body is larger than ${bytes} bytes, the most that this path takes.`,
    errors: [{ path: "", message: `Expected at most ${bytes} bytes` }]
  })
})

const invalid = (code: string, detail: string) => new Invalid({ code, detail })

const tooMuchText = invalid(
  "too_much_text",
  `The body has more than ${besideFiles} characters of text, beside its files and the results of tools.`
)

const tooLong = (path: string, most: number) => {
  const message = `A text is longer than ${most} characters`
  const at = path.slice(0, maxPath)
  return new Invalid({ code: "string_too_long", detail: `${message}: ${at}.`, errors: [{ path: at, message }] })
}

export const tooDeep = invalid("too_deep", `The body is nested more than ${maxDepth} levels deep.`)

/** The first bound that a value breaks. */
export const excess = (value: unknown, longText: Limits["longText"]): Invalid | undefined => {
  let members = 0
  let results = 0
  let texts = 0
  const path: Array<string | number> = []
  const long = (text: string, holder: object): Invalid | undefined => {
    const at = path.join(".")
    const kind = longText(at)
    if (kind === undefined) return tooLong(at, maxString)
    if (kind === "result" && (results += text.length) > maxResults) return tooLong(at, maxResults)
    // An error of the decoder repeats whatever holds a wrong value, several times over; this is what it repeats instead.
    Object.defineProperty(holder, "toString", { value: () => "…" })
    return undefined
  }
  const visit = (value: unknown, holder: object): Invalid | undefined => {
    if (typeof value === "string") {
      if (value.length > maxString) return long(value, holder)
      return (texts += value.length) > besideFiles ? tooMuchText : undefined
    }
    if (typeof value !== "object" || value === null) return undefined
    if (path.length === maxDepth) return tooDeep
    if (Array.isArray(value)) {
      members += value.length
    } else {
      for (const key in value) {
        members++
        if (key === "__proto__") return invalid("forbidden_key", "The body has a key named __proto__.")
      }
    }
    if (members > maxMembers) return invalid("too_many_members", `The body has more than ${maxMembers} keys and items.`)
    for (const [key, member] of Array.isArray(value) ? value.entries() : Object.entries(value)) {
      path.push(key)
      const problem = visit(member, value)
      if (problem !== undefined) return problem
      path.pop()
    }
    return undefined
  }
  return visit(value, {})
}
