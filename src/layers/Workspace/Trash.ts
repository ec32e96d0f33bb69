/**
 * Removes folders of any depth that hostile programs have filled, with a few descriptors
 * and without following a link: what is inside of a folder moves up into the trash before the
 * folder itself goes.
 */
// oxlint-disable no-await-in-loop -- files are walked one after the other, within few descriptors
import { randomUUID } from "node:crypto"
import { constants, promises as fs } from "node:fs"
import { at, codeOf, type Folder, itself, openFolder } from "./Confined.ts"

/** Opens a folder of any permissions, to name it and not to read it. Linux only; node:fs has no name for it. */
const O_PATH = process.platform === "linux" ? 0o10000000 : 0

const gone = (error: unknown) => {
  if (codeOf(error) !== "ENOENT") throw error
}

/** Makes a folder one that its owner can read and empty. */
const unlock = async (parent: Folder, name: string | Buffer) => {
  const handle = await fs.open(at(parent, name), O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    await fs.chmod(itself({ handle, path: at(parent, name).toString() }), 0o700)
  } finally {
    await handle.close()
  }
}

/** Moves something out of its folder into the trash, from where nobody can reach it any more. */
export const discard = async (folder: Folder, name: string | Buffer, trash: string): Promise<void> => {
  const target = `${trash}/${randomUUID()}`
  try {
    await fs.rename(at(folder, name), target)
  } catch (error) {
    // To move a folder, one must be able to write in it.
    if (codeOf(error) !== "EACCES") throw error
    await unlock(folder, name)
    await fs.rename(at(folder, name), target)
  }
}

const emptyFolder = async (trash: string, parent: Folder, name: Buffer) => {
  await unlock(parent, name)
  const handle = await fs.open(at(parent, name), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  const folder: Folder = { handle, path: at(parent, name).toString() }
  try {
    for await (
      const entry of await fs.opendir(itself(folder), { encoding: "buffer" as BufferEncoding, bufferSize: 256 })
    ) {
      const child = entry.name as unknown as Buffer
      if (entry.isDirectory()) await discard(folder, child, trash).catch(gone)
      else await fs.unlink(at(folder, child)).catch(gone)
    }
  } finally {
    await handle.close()
  }
  await fs.rmdir(at(parent, name)).catch(gone)
}

/** Removes all that is in the trash. What another process removes at the same time is no error. */
export const empty = async (trash: string): Promise<void> => {
  for (let found = true; found;) {
    found = false
    const folder = await openFolder(trash)
    try {
      for (const name of await fs.readdir(itself(folder), { encoding: "buffer" })) {
        found = true
        const info = await fs.lstat(at(folder, name)).catch(gone)
        if (info?.isDirectory() === true) await emptyFolder(trash, folder, name).catch(gone)
        else await fs.unlink(at(folder, name)).catch(gone)
      }
    } finally {
      await folder.handle.close()
    }
  }
}
