/** A temporary folder of definitions, gone when the tests are. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"

export const definitions = () => {
  const root = mkdtempSync(join(tmpdir(), "stoa-definitions-"))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  /** A tool whose handler is this code. */
  const tool = (id: string, code: string, front = "") => {
    write(`tools/${id}/TOOL.md`, `---\ndescription: A tool\n${front}---\n`)
    write(`tools/${id}/handler.mjs`, code)
  }
  const skill = (id: string, front: string) =>
    write(`skills/${id}/SKILL.md`, `---\ndescription: A skill\n${front}\n---\nDo it.`)
  return { root, write, tool, skill }
}
