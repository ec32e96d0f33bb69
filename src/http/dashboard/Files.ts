/** The built files of the dashboard, read once. A request is looked up among their names and never becomes a path. */
import { createHash } from "node:crypto"
import { readdir, readFile } from "node:fs/promises"
import { extname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

export const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".gif": "image/gif",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".webp": "image/webp",
  ".woff2": "font/woff2"
}

export interface File {
  readonly type: string
  readonly etag: string
  readonly plain: Uint8Array
  /** Made by the build, where it is worth it. */
  readonly gzip: Uint8Array | undefined
  readonly br: Uint8Array | undefined
}

/** By their paths below the dashboard's: `assets/index-….js`. */
export type Files = ReadonlyMap<string, File>

/** The build puts them beside the compiled server; the server's sources find them there too. */
const folders = ["../../dashboard/", "../../../dist/dashboard/"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url))
)

const namesIn = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
}

export const etagOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64url").slice(0, 27)

const readIn = async (folder: string): Promise<Files> => {
  const names = await namesIn(folder)
  const bytesOf = async (name: string) => names.includes(name) ? await readFile(join(folder, name)) : undefined
  const files = await Promise.all(
    names.map(async (name): Promise<ReadonlyArray<readonly [string, File]>> => {
      const type = types[extname(name)]
      const plain = await bytesOf(name)
      if (type === undefined || plain === undefined) return []
      const [gzip, br] = await Promise.all([bytesOf(`${name}.gz`), bytesOf(`${name}.br`)])
      return [[name, { type, etag: etagOf(plain), plain, gzip, br }]]
    })
  )
  return new Map(files.flat())
}

/** Nothing where it has not been built. */
export const read = async (): Promise<Files> => {
  const [beside, ofSources] = await Promise.all(
    folders.map((folder) => readIn(folder).catch((): Files => new Map()))
  )
  return [beside, ofSources].find((files) => files?.has("index.html")) ?? new Map()
}
