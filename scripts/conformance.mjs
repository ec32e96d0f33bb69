/**
 * Writes `docs/conformance.md`: each endpoint of two versions of the Agent
 * Service, held against our OpenAPI document. `npm run docs:conformance` writes it,
 * `-- --check` only says whether it is what would be written.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parse } from "yaml"

const at = (path) => fileURLToPath(new URL(path, import.meta.url))

export const table = at("../docs/conformance.md")

/** Paths are the same where they differ in the names of their parameters and a slash at the end. */
const shapeOf = (endpoint) => endpoint.replaceAll(/\{[^}]*\}/g, "{}").replace(/(.)\/$/, "$1")

const titles = { "2.0.0": "2.0.0, the released version", newest: "The newest version, at /agent-service" }

/** Fails when the list and the document contradict each other. */
export const conformance = (
  endpoints = parse(readFileSync(at("conformance/endpoints.yaml"), "utf8")),
  document = JSON.parse(readFileSync(at("../test/support/golden/openapi.json"), "utf8"))
) => {
  const served = new Set(
    Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => shapeOf(`${method.toUpperCase()} ${path}`))
    )
  )
  const lines = [
    "# Conformance with the Agent Service",
    "",
    "Each endpoint of two versions of the Agent Service, and how this server answers it. `npm run docs:conformance` writes",
    "this table from `scripts/conformance/endpoints.yaml` and the OpenAPI document; [the other page](agent-service.md) says",
    "more of each difference."
  ]
  for (const [version, list] of Object.entries(endpoints)) {
    const rows = list.map((entry) => {
      const [endpoint, how] = typeof entry === "string" ? [entry, undefined] : Object.entries(entry)[0]
      const isServed = served.has(shapeOf(endpoint))
      if (!isServed && how !== undefined) throw new Error(`${endpoint} is not served, and the list says how: ${how}`)
      return { endpoint, how, state: isServed ? (how === undefined ? "served" : "differently") : "later" }
    })
    const count = (state) => rows.filter((row) => row.state === state).length
    lines.push(
      "",
      `## ${titles[version]}`,
      "",
      `Of ${rows.length} endpoints ${count("served")} are served, ${count("differently")} are served differently, and `
        + `${count("later")} come later.`,
      "",
      "| Endpoint | Here |",
      "|---|---|",
      ...rows.map(({ endpoint, how, state }) =>
        `| \`${endpoint}\` | ${
          state === "served" ? "served" : state === "later" ? "comes later" : `served differently: ${how}`
        } |`
      )
    )
  }
  return `${lines.join("\n")}\n`
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const text = conformance()
  if (!process.argv.includes("--check")) writeFileSync(table, text)
  else if (readFileSync(table, "utf8") !== text) {
    console.error("docs/conformance.md is out of date: npm run docs:conformance")
    process.exitCode = 1
  }
}
