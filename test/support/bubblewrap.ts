/** What fakes of sandboxes elsewhere have in common: they run their programs by bubblewrap. */
import { lstatSync, readlinkSync } from "node:fs"

/** The system's folders, as this machine has them. */
export const system = ["/bin", "/sbin", "/lib", "/lib64"].flatMap((path) => {
  try {
    return lstatSync(path).isSymbolicLink() ? ["--symlink", readlinkSync(path), path] : ["--ro-bind", path, path]
  } catch {
    return []
  }
})

export const isRoot = process.getuid?.() === 0

export const words = (text: string): ReadonlyArray<string> => text.split(" ")
