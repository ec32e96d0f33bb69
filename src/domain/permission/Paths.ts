/** Paths as text: made absolute and free of `.` and `..` without a look at any disk. Links are the workspace's to follow. */

/** Stands for the session's working directory while nothing has named it. No real path has a NUL in it. */
export const unnamed = "/\0"

/** Longest path that is looked at, in characters; systems refuse longer ones. */
const maxPath = 4096

/** Where a call works, and where edits are at home. All are absolute. */
export interface Places {
  /** Where relative paths of the call begin. */
  readonly cwd: string
  /** The session's folder: relative paths of rules begin there, and edits below it are inside. */
  readonly home: string
  /** Working directories beside `home`. */
  readonly directories: ReadonlyArray<string>
}

/** `~/x` keeps its `~`: nobody here knows where a home is. What leaves a home upwards is at the root. */
const rooted = (path: string, cwd: string): readonly [root: string, segments: ReadonlyArray<string>] => {
  const segments = path.split("/")
  if (path.startsWith("/")) return ["", segments]
  if (path.startsWith("~")) return [segments[0]!, segments.slice(1)]
  const [root, before] = rooted(cwd.startsWith("/") || cwd.startsWith("~") ? cwd : `/${cwd}`, "/")
  return [root, [...before, ...segments]]
}

/** The absolute form; undefined when there is none that can be known. */
export const resolve = (cwd: string, path: string): string | undefined => {
  if (path === "" || path.length > maxPath || path.includes("\0")) return undefined
  const [start, segments] = rooted(path, cwd)
  let root = start
  const kept: Array<string> = []
  for (const segment of segments) {
    if (segment === "" || segment === ".") continue
    if (segment !== "..") kept.push(segment)
    else if (kept.pop() === undefined) root = ""
  }
  return kept.length === 0 ? root || "/" : `${root}/${kept.join("/")}`
}

const within = (path: string, directory: string) =>
  path === directory || path.startsWith(directory === "/" ? "/" : `${directory}/`)

const allOf = ({ directories, home }: Places) => [home, ...directories]

export const isInside = (places: Places, path: string): boolean =>
  !(path.startsWith("~")) && allOf(places).some((directory) => within(path, directory))

/** Whether losing all of it would be a disaster: the root and what lies right under it, a home, a working directory, and what holds one. */
export const isRootLike = (places: Places, path: string): boolean =>
  /^\/[^/]*$/.test(path) || /^~[^/]*$/.test(path) || /^\/(?:home|Users|root|mnt|media)\/[^/]+$/.test(path) ||
  allOf(places).some((directory) => within(directory, path))

/** As a person reads it, and as a rule has it: short below the session's folder. */
export const shown = ({ home }: Places, path: string): string =>
  path === home ? "." : within(path, home) ? path.slice(home === "/" ? 1 : home.length + 1) : path
