/**
 * The files of a skill: which of those that somebody brings become one, and under which names. Nothing is read for it, so
 * that a hostile archive is refused before a byte of it is unpacked.
 */
import { Either } from "effect"
import { Invalid } from "./Errors.ts"
import { hasHidden } from "./Text.ts"

const mebibyte = 1024 * 1024

/** Bytes of an archive or a form, and of a skill's files. */
export const maxPackedBytes: number = 20 * mebibyte
const maxSkillBytes: number = 100 * mebibyte

/** Files of a skill, and how deep they may lie. */
export const maxSkillFiles = 2_000
const maxDepth = 16

/** Times that files may be larger than their archive. A small skill may be: a table of zeros packs well and harms nobody. */
const maxRatio = 100
const smallBytes = mebibyte

/** Bytes of a name and of a path. */
const maxName = 255
const maxPath = 1_024

/** The file that says what a skill is, and its most bytes. */
export const mainFile = "SKILL.md"
const maxMainBytes = 256 * 1024

/** A file that somebody brings: its path as it is written there, and its size as it is told. */
export interface Brought {
  readonly path: string
  readonly size: number
}

/** A file of the skill: its path below the skill's folder, and the place of what was brought. */
export interface Planned {
  readonly path: string
  readonly size: number
  readonly from: number
}

export const skillRefused = (message: string, path = ""): Invalid =>
  new Invalid({
    code: "skill_refused",
    detail: `The skill is refused: ${message}.`,
    errors: [{ path: shown(path), message: `${message[0]!.toUpperCase()}${message.slice(1)}` }]
  })

/** A path in an error: its odd characters are no longer odd there. */
const shown = (path: string): string =>
  path.slice(0, 200).toWellFormed().replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}")

/** What systems and editors leave behind, and nobody means. */
const isLitter = (names: ReadonlyArray<string>): boolean =>
  names.some((name) => name === "__MACOSX" || name === ".git") ||
  [".DS_Store", "Thumbs.db", "desktop.ini"].includes(names.at(-1)!) || names.at(-1)!.startsWith("._")

const encoder = new TextEncoder()

/** What is wrong with a path. */
const problemOf = (path: string, names: ReadonlyArray<string>): string | undefined => {
  if (!path.isWellFormed()) return "a name is no Unicode text"
  if (encoder.encode(path).length > maxPath) return `a path is longer than ${maxPath} bytes`
  if (hasHidden(path)) return "a name has characters that no name may have"
  if (path.includes("\\")) return "a name has a backslash in it"
  if (path.startsWith("/") || /^[A-Za-z]:/.test(path)) return "a path is absolute"
  if (names.includes("") || names.includes(".") || names.includes("..")) return "a path is not a plain one: a/b/c"
  if (names.length > maxDepth) return `a file is more than ${maxDepth} levels deep`
  if (names.some((name) => encoder.encode(name).length > maxName)) return `a name is longer than ${maxName} bytes`
  return undefined
}

/** Two names that some file systems take for one. */
const folded = (path: string): string => path.normalize("NFC").toLowerCase()

/** The folder that all lies in, when the skill is not at the top itself. */
const folderOf = (paths: ReadonlyArray<ReadonlyArray<string>>): string | undefined => {
  if (paths.some(([first, ...rest]) => first === mainFile && rest.length === 0)) return ""
  const [first] = paths[0] ?? []
  return first !== undefined && paths.every(([name, ...rest]) => name === first && rest.length > 0) &&
      paths.some(([, second, ...rest]) => second === mainFile && rest.length === 0)
    ? first
    : undefined
}

/** Whether two files would lie on each other, on whatever file system. */
const clashIn = (paths: ReadonlyArray<string>): string | undefined => {
  const files = new Set<string>()
  const folders = new Map<string, string>()
  for (const path of paths) {
    const key = folded(path)
    if (files.has(key)) return path
    files.add(key)
    for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1)) {
      const folder = path.slice(0, end)
      const known = folders.get(folded(folder))
      if (known !== undefined && known !== folder) return path
      folders.set(folded(folder), folder)
    }
  }
  return paths.find((path) => folders.has(folded(path)))
}

/** The skill's files, `SKILL.md` first and the others by path; or why they are none. `packed` are the bytes of their archive. */
export const planOf = (
  brought: ReadonlyArray<Brought>,
  packed?: number
): Either.Either<ReadonlyArray<Planned>, Invalid> => {
  const no = (message: string, path?: string) => Either.left(skillRefused(message, path))
  if (brought.length > maxSkillFiles * 2) return no(`it has more than ${maxSkillFiles} files`)
  const found: Array<Planned & { readonly names: ReadonlyArray<string> }> = []
  let bytes = 0
  for (const [from, { path, size }] of brought.entries()) {
    const names = path.split("/")
    const problem = problemOf(path, names)
    if (problem !== undefined) return no(problem, path)
    if (isLitter(names)) continue
    bytes += size
    if (!Number.isSafeInteger(size) || size < 0 || bytes > maxSkillBytes) {
      return no(`its files have more than ${maxSkillBytes} bytes`, path)
    }
    found.push({ path, size, from, names })
  }
  if (found.length > maxSkillFiles) return no(`it has more than ${maxSkillFiles} files`)
  if (packed !== undefined && bytes > smallBytes && bytes > packed * maxRatio) {
    return no(`its files are more than ${maxRatio} times larger than their archive`)
  }
  const folder = folderOf(found.map(({ names }) => names))
  if (folder === undefined) return no(`there is no ${mainFile} at the top, nor in the only folder at the top`, mainFile)
  const files = found.map(({ from, path, size }) => ({
    path: folder === "" ? path : path.slice(folder.length + 1),
    size,
    from
  }))
  const clash = clashIn(files.map(({ path }) => path))
  if (clash !== undefined) return no("two files have names that are the same, or differ in case only", clash)
  if (files.some(({ path, size }) => path === mainFile && size > maxMainBytes)) {
    return no(`${mainFile} is longer than ${maxMainBytes} bytes`, mainFile)
  }
  const rank = (path: string) => path === mainFile ? 0 : 1
  return Either.right(
    files.toSorted((a, b) => rank(a.path) - rank(b.path) || (a.path < b.path ? -1 : 1))
  )
}
