/** The package as another project has it: packed, and installed in a folder. */
import { execFile } from "node:child_process"
import { mkdir, readdir, symlink } from "node:fs/promises"
import { join, resolve } from "node:path"
import { promisify } from "node:util"
import { patience } from "./Patience.ts"

const root = resolve(import.meta.dirname, "../..")

/** Longest time that a program may take, in milliseconds. */
export const longest = patience(60_000)

const run = promisify(execFile)

/** Runs to the end; what it printed is the failure. */
export const must = async (cwd: string, program: string, ...words: ReadonlyArray<string>) => {
  const { stderr, stdout } = await run(program, words, { cwd, timeout: longest }).catch(({ stderr, stdout }) => {
    throw new Error(`${stdout}${stderr}`)
  })
  return `${stdout}${stderr}`
}

/** Makes the file that `npm pack` makes, in a folder, and answers its path. */
export const pack = async (folder: string) => {
  await must(root, "npm", "pack", "--ignore-scripts", "--silent", "--pack-destination", folder)
  return join(folder, (await readdir(folder)).find((file) => file.endsWith(".tgz"))!)
}

/** What the scripts of a project run. */
const programs = { tsc: "typescript/bin/tsc", tsx: "tsx/dist/cli.mjs" }

/** Installs what was packed; the packages that it needs are those of the repository. */
export const install = async (packed: string, project: string) => {
  const modules = join(project, "node_modules")
  await mkdir(join(modules, "stoa"), { recursive: true })
  await must(project, "tar", "-xzf", packed, "-C", join(modules, "stoa"), "--strip-components=1")
  const names = (await readdir(join(root, "node_modules"))).filter((name) => !name.startsWith(".") && name !== "stoa")
  await Promise.all(names.map((name) => symlink(join(root, "node_modules", name), join(modules, name))))
  await mkdir(join(modules, ".bin"))
  await Promise.all(
    Object.entries(programs).map(([name, file]) => symlink(join(modules, file), join(modules, ".bin", name)))
  )
}
