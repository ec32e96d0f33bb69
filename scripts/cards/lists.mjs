/**
 * Two public lists of models, fetched from the package registry into a folder that is deleted afterwards:
 * `@earendil-works/pi-ai` (JSON, a file for each provider) and, as a second opinion on prices, `@pydantic/genai-prices`.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import { promisify } from "node:util"

const exec = promisify(execFile)

/** Milliseconds that one call of npm or tar may take, and bytes that it may print. */
const patience = 60_000
const maxBuffer = 4 * 1024 * 1024

/** Characters of what npm says that are passed on. */
const longestReason = 300

const packages = { models: "@earendil-works/pi-ai", prices: "@pydantic/genai-prices" }

/** What each folder of cards is called in the lists; the others have none. */
export const sources = {
  anthropic: { models: "anthropic", prices: "anthropic" },
  azure_openai: { models: "azure", prices: "azure" },
  bedrock: { models: "amazon-bedrock", prices: "aws" },
  deepseek: { models: "deepseek", prices: "deepseek" },
  gemini: { models: "google", prices: "google" },
  groq: { models: "groq", prices: "groq" },
  mistral: { models: "mistral", prices: "mistral" },
  moonshot: { models: "moonshotai", prices: "moonshotai" },
  openai: { models: "openai", prices: "openai" },
  openrouter: { models: "openrouter", prices: "openrouter" },
  xai: { models: "xai", prices: "x-ai" }
}

/** What stopped the check, as a sentence. */
export class ListsFailed extends Error {}

const npm = async (...args) => {
  // Under npm its own path is known; otherwise it is the npm on the PATH.
  const own = process.env.npm_execpath ?? ""
  const [command, ...rest] = /npm-cli\.c?js$/.test(own) ? [process.execPath, own, ...args] : ["npm", ...args]
  const { stdout } = await exec(command, rest, { timeout: patience, maxBuffer, shell: process.platform === "win32" })
  return stdout.trim()
}

/** The newest version, whatever Node it asks for: nothing but data is read. Without a version npm takes an older one. */
const fetchPackage = async (name, folder) => {
  const version = await npm("view", name, "dist-tags.latest")
  const unpacked = path.join(folder, name.replaceAll("/", "-"))
  await fs.mkdir(unpacked)
  const file = await npm("pack", `${name}@${version}`, "--ignore-scripts", "--silent", "--pack-destination", unpacked)
  await exec("tar", ["-xzf", path.join(unpacked, file.split("\n").at(-1)), "-C", unpacked], { timeout: patience })
  return { version, folder: path.join(unpacked, "package") }
}

const number = (value) => typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : undefined

/** Zero says that nothing is known. */
const positive = (value) => number(value) === 0 ? undefined : number(value)

const ratesOf = ({ cacheRead, cacheWrite, input, output }) => ({
  input: number(input),
  output: number(output),
  cached_input: positive(cacheRead),
  cache_write: positive(cacheWrite)
})

const pricesOf = (cost) => {
  if (cost === undefined || (positive(cost.input) === undefined && positive(cost.output) === undefined)) {
    return undefined
  }
  const tiers = (cost.tiers ?? []).map((tier) => ({ above: tier.inputTokensAbove, ...ratesOf(tier) }))
  return { ...ratesOf(cost), ...(tiers.length > 0 && { tiers }) }
}

const modelOf = ({ contextWindow, cost, id, input = [], maxTokens, name, reasoning }) => ({
  name: id,
  label: name ?? id,
  context_size: positive(contextWindow),
  output_size: positive(maxTokens),
  images: input.includes("image"),
  thinks: reasoning === true,
  prices: pricesOf(cost)
})

/** Chat models of one provider's file: `{ <wire>: { "chat:<id>": {...} } }`. */
const readModels = async (file) => {
  const wires = JSON.parse(await fs.readFile(file, "utf8"))
  const models = Object.values(wires).flatMap((wire) => Object.values(wire))
    .filter((model) => typeof model?.id === "string" && (model.type ?? "chat") === "chat")
  if (models.length === 0) throw new ListsFailed(`${path.basename(file)} holds no chat models: its form has changed.`)
  return [...new Map(models.map((model) => [model.id, modelOf(model)])).values()]
}

/** `271999` is said where the price holds from 272000 on. */
const aboveOf = (start) => start % 1000 === 999 ? start + 1 : start

/** `{ base, tiers: [{ start, price }] }`, or a number. */
const opinionOf = (price) => {
  const fields = {
    input: "input_mtok",
    output: "output_mtok",
    cached_input: "cache_read_mtok",
    cache_write: "cache_write_mtok"
  }
  const at = (above) => {
    const rates = {}
    for (const [field, key] of Object.entries(fields)) {
      const said = price[key]
      const tier = said?.tiers?.findLast(({ start }) => aboveOf(start) <= above)
      rates[field] = number(said?.base === undefined ? said : tier?.price ?? said.base)
    }
    return rates
  }
  const base = at(-1)
  if (base.input === undefined || base.output === undefined) return undefined
  const starts = new Set(
    Object.values(fields).flatMap((key) => price[key]?.tiers?.map(({ start }) => aboveOf(start)) ?? [])
  )
  const tiers = [...starts].toSorted((a, b) => a - b).map((above) => ({ above, ...at(above) }))
  return { ...base, ...(tiers.length > 0 && { tiers }) }
}

/** The second list matches names loosely (`claude-sonnet-5-5` finds `claude-sonnet-5`): only the same name counts. */
const plain = (name) =>
  name.toLowerCase().replaceAll(".", "-").replace(/^(regional|us|eu|jp|au|apac)-/, "").replace(/(-v\d)?(:0)?$/, "")
    .replace(/-20\d{6}$/, "")

const secondOpinion = (calcPrice) => (provider, model) => {
  const found = calcPrice({ input_tokens: 1 }, model, { providerId: provider })
  if (!found || plain(found.model.id) !== plain(model)) return undefined
  return { context_size: number(found.model.context_window), prices: opinionOf(found.model_price) }
}

/** Both lists as they lie in a folder: `models/<provider>.json` and `prices/index.js`. */
const read = async (models, prices) => {
  const { calcPrice } = await import(pathToFileURL(path.resolve(prices)).href)
  if (typeof calcPrice !== "function") {
    throw new ListsFailed("The list of prices has no calcPrice: its form has changed.")
  }
  const opinion = secondOpinion(calcPrice)
  return {
    models: async (provider) => readModels(path.join(models, `${sources[provider].models}.json`)),
    opinion: (provider, model) => opinion(sources[provider].prices, model)
  }
}

/** Fetches both lists, hands them over, and deletes them. */
const fetched = async (use) => {
  const folder = await fs.mkdtemp(path.join(tmpdir(), "stoa-cards-"))
  try {
    const [models, prices] = await Promise.all(Object.values(packages).map((name) => fetchPackage(name, folder)))
      .catch((error) => {
        const said = String(error.stderr ?? error.message).trim().slice(0, longestReason)
        throw new ListsFailed(
          `The lists cannot be fetched from the package registry; is this machine offline? (${
            said || "no answer in time"
          })`
        )
      })
    const names = [`${packages.models} ${models.version}`, `${packages.prices} ${prices.version}`]
    const lists = await read(
      path.join(models.folder, "dist/providers/data"),
      path.join(prices.folder, "dist/index.js")
    )
    return await use({ ...lists, names })
  } finally {
    await fs.rm(folder, { recursive: true, force: true })
  }
}

/** Those of a folder, or else the newest of the registry. Rejects with a `ListsFailed` where they cannot be had. */
export const withLists = async (from, use) => {
  try {
    if (from === undefined) return await fetched(use)
    return await use({ ...await read(path.join(from, "models"), path.join(from, "prices/index.js")), names: [from] })
  } catch (error) {
    if (error instanceof ListsFailed) throw error
    if (error.code === "ENOENT" || error.code === "ERR_MODULE_NOT_FOUND" || error instanceof SyntaxError) {
      throw new ListsFailed(`The lists cannot be read: ${error.message}`)
    }
    throw error
  }
}
