/**
 * Compares the model cards with two public lists of models: `npm run cards:check`.
 *
 * Prints what differs, models without a card and cards of models that are in no list any more, and writes drafts for a
 * person to look at and copy. What a person has decided against a list stands in `scripts/cards/known.yaml`.
 * Ends with 0 when nothing is to be decided, 1 when something is, and 2 when it could not be checked.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import { register } from "tsx/esm/api"
import { parse } from "yaml"
import { compare } from "./cards/compare.mjs"
import { writeDrafts } from "./cards/drafts.mjs"
import { ListsFailed, sources, withLists } from "./cards/lists.mjs"
import { at, followNpm, say } from "./run.mjs"

const usage = `npm run cards:check -- [options]

  --only PROVIDER   one folder of src/layers/Models/cards, such as openai; may be given again
  --all             also the models without a card of those who resell others' models (bedrock, openrouter)
  --agreed          drafts of what both lists say alike, and of nothing else
  --json            one JSON document instead of the table
  --drafts DIR      where drafts are written; .cards unless it is given
  --from DIR        lists that lie in a folder (models/<provider>.json, prices/index.js) instead of the registry's
  --cards DIR       other cards than ours
  --known FILE      other decisions than those of scripts/cards/known.yaml
`

const ownDrafts = at(".cards")

/** They serve hundreds of models, of which we have cards for a few. */
const resellers = new Set(["bedrock", "openrouter"])

const options = () => {
  try {
    return parseArgs({
      options: {
        only: { type: "string", multiple: true },
        all: { type: "boolean", default: false },
        agreed: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
        drafts: { type: "string", default: ownDrafts },
        cards: { type: "string", default: at("src/layers/Models/cards") },
        known: { type: "string", default: at("scripts/cards/known.yaml") },
        from: { type: "string" }
      }
    }).values
  } catch (error) {
    throw new ListsFailed(`${error.message}\n\n${usage}`)
  }
}

const ours = async () => {
  register()
  const load = (file) => import(pathToFileURL(at("src/layers/Models/cards", file)).href)
  const [{ readFolder }, { resolver }] = await Promise.all([load("Files.ts"), load("Alias.ts")])
  return { readFolder, resolver }
}

const checkOne = async (provider, { readFolder, resolver }, lists, known, given) => {
  const { chat, problems } = await readFolder(path.join(given.cards, provider))
  if (problems.length > 0) throw new ListsFailed(problems.join("\n"))
  const models = await lists.models(provider)
  const found = compare({
    cards: chat,
    known: known?.[provider],
    models,
    opinion: (model) => lists.opinion(provider, model),
    resolve: resolver(`${provider}_credential`, chat)
  })
  const unknown = resellers.has(provider) && !given.all ? [] : found.unknown
  const drafts = await writeDrafts(given.drafts, provider, { ...found, unknown, cards: chat }, given)
  return { provider, cards: chat.length, ...found, unknown, drafts }
}

const told = (value) =>
  value === undefined || value === null
    ? "-"
    : Array.isArray(value)
    ? value.map((one) => `>${one.above}: ${one.input}/${one.output}`).join(" ") || "none"
    : String(value)

const table = (lines) => {
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)))
  return lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd()).join("\n")
}

const print = (names, results, given) => {
  const lines = results.flatMap(({ missing, provider, rows, unknown }) => [
    ...rows.map(({ card, field, list, model, second, verdict }) => [
      provider,
      model,
      field,
      ...[card, list, second].map(told),
      verdict
    ]),
    ...unknown.map(({ agreed, model }) => [
      provider,
      model.name,
      "no card",
      "-",
      `${told(model.context_size)} tokens`,
      agreed === undefined ? "-" : agreed ? "same prices" : "other prices",
      "new"
    ]),
    ...missing.map((model) => [provider, model, "in no list", "active", "-", "-", "gone?"])
  ])
  console.log(`Compared with ${names.join(" and ")}.`)
  if (lines.length === 0) return console.log("Nothing is to be decided.")
  console.log(table([["provider", "model", "field", "card", "list", "second", "verdict"], ...lines]))
  const drafts = results.reduce((sum, result) => sum + result.drafts, 0)
  console.log(
    `\n${lines.length} to be decided; ${drafts} drafts in ${path.relative(process.cwd(), given.drafts) || "."}`
  )
}

const main = async () => {
  const given = options()
  if (given.help) {
    console.log(usage)
    return 0
  }
  const wanted = given.only ?? Object.keys(sources)
  const wrong = wanted.find((provider) => sources[provider] === undefined)
  if (wrong !== undefined) throw new ListsFailed(`No list has ${wrong}; these are: ${Object.keys(sources).join(", ")}.`)
  const known = parse(await fs.readFile(given.known, "utf8"))
  // Only our own folder is emptied: another one may hold something else.
  if (given.drafts === ownDrafts) await fs.rm(ownDrafts, { recursive: true, force: true })
  return withLists(given.from, async (lists) => {
    const loaded = await ours()
    const results = []
    for (const provider of wanted) results.push(await checkOne(provider, loaded, lists, known, given))
    if (given.json) console.log(JSON.stringify({ lists: lists.names, providers: results }, undefined, 2))
    else print(lists.names, results, given)
    return results.every(({ missing, rows, unknown }) => missing.length + rows.length + unknown.length === 0) ? 0 : 1
  })
}

followNpm()
process.exitCode = await main().catch((error) => {
  if (!(error instanceof ListsFailed)) throw error
  say(error.message)
  return 2
})
