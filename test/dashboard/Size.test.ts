/** How much a browser has to load, of the built dashboard. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join, resolve } from "node:path"

const folder = resolve(import.meta.dirname, "../../dist/dashboard")

const kilobyte = 1_000
const maxFirst = 180 * kilobyte
const maxAny = 300 * kilobyte

/** A script, and all that it loads before it runs. */
const scriptsOf = (name: string, seen: Set<string> = new Set()): Set<string> => {
  if (seen.has(name)) return seen
  seen.add(name)
  const text = readFileSync(join(folder, "assets", name), "utf8")
  for (const [, imported] of text.matchAll(/(?:from|import)\s*"\.\/([\w.-]+\.js)"/g)) scriptsOf(imported!, seen)
  return seen
}

const compressed = (name: string) => {
  const file = join(folder, "assets", name)
  try {
    return statSync(`${file}.gz`).size
  } catch {
    return statSync(file).size
  }
}

const sum = (names: Iterable<string>) => [...names].reduce((size, name) => size + compressed(name), 0)

describe("The built dashboard", () => {
  const html = readFileSync(join(folder, "index.html"), "utf8")
  const entry = /src="\.\/assets\/([\w.-]+\.js)"/.exec(html)![1]!
  const all = readdirSync(join(folder, "assets")).filter((name) => name.endsWith(".js"))

  it("loads few bytes of script for its first screen, and not many for any other", () => {
    const first = scriptsOf(entry)
    const home = all.find((name) => name.startsWith("Home-"))!
    assert.isBelow(sum(scriptsOf(home, new Set(first))), maxFirst)
    for (const name of all) {
      const size = sum(scriptsOf(name, new Set(first)))
      assert.isBelow(size, maxAny, `${name} needs ${size} bytes`)
    }
  })

  it("has no script in its page, and nothing of other hosts", () => {
    assert.notMatch(html, /<script(?![^>]*\ssrc=)/)
    assert.notMatch(html, /(?:src|href)="(?:https?:)?\/\//)
  })
})
