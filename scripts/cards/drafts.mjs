/** Cards as a person may take them over: new ones, and ours with what the lists say. */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { stringify } from "yaml"

const rates = ["input", "output", "cached_input", "cache_write"]

const fileOf = (name) => `${name.replaceAll("/", "--").replaceAll(":", "_")}.yaml`

const named = (said) => rates.filter((field) => said[field] !== undefined).map((field) => `${field}: ${said[field]}`)

const pricesText = (prices) =>
  [
    "prices:",
    ...named(prices).map((line) => `  ${line}`),
    ...(prices.tiers?.length > 0
      ? ["  tiers:", ...prices.tiers.map((tier) => `    - { ${[`above: ${tier.above}`, ...named(tier)].join(", ")} }`)]
      : []),
    ""
  ].join("\n")

/** A card for a model that has none. What a list cannot say is left for the person. */
const newCard = ({ context_size, images, label, name, output_size, prices, thinks }, agreed) =>
  [
    `# Draft. To be added: other media, structured_output, parameters_overrides.${
      agreed === undefined ? " Only one list knows it." : agreed ? "" : " The lists name different prices."
    }`,
    "type: chat_model",
    `name: ${stringify(name).trim()}`,
    `label: ${stringify(label).trim()}`,
    "status: active",
    `input_types: [text/plain${images ? ", image/jpeg, image/png, image/gif, image/webp" : ""}]`,
    `output_types: [text/plain${thinks ? ", application/x-thinking" : ""}]`,
    ...(context_size === undefined ? [] : [`context_size: ${context_size}`]),
    ...(output_size === undefined ? [] : [`output_size: ${Math.min(output_size, context_size ?? output_size)}`]),
    ...(prices === undefined ? [] : [pricesText(prices).trimEnd()]),
    ""
  ].join("\n")

const priceBlock = /^prices:\n(?: .*\n)+/m

/** Our card with what the rows say; what is disputed stays, and with `agreed` what only one list says. */
const changedCard = (text, card, rows, agreed = false) => {
  let changed = text
  const prices = { ...card.prices }
  for (const { field, list, verdict } of rows) {
    if (list === undefined || verdict === "disputed" || verdict === "moved?") continue
    if (agreed && verdict !== "agreed") continue
    const [group, rate] = field.split(".")
    if (rate !== undefined) prices[rate] = list
    else if (group.endsWith("_size")) changed = changed.replace(new RegExp(`^${group}: .*$`, "m"), `${group}: ${list}`)
  }
  if (JSON.stringify(prices) === JSON.stringify(card.prices ?? {}) || prices.input === undefined) return changed
  const block = pricesText(prices)
  if (priceBlock.test(changed)) return changed.replace(priceBlock, block)
  return /^parameters_overrides:/m.test(changed)
    ? changed.replace(/^parameters_overrides:/m, `${block}parameters_overrides:`)
    : `${changed}${block}`
}

/** Writes drafts of one provider, and answers how many. `agreed`: only of what both lists say. */
export const writeDrafts = async (folder, provider, { cards, rows, unknown }, { agreed, cards: ours }) => {
  const texts = new Map(
    unknown.filter((one) => !agreed || one.agreed).map((
      one
    ) => [fileOf(one.model.name), newCard(one.model, one.agreed)])
  )
  for (const model of new Set(rows.map((row) => row.model))) {
    const file = fileOf(model)
    const text = await fs.readFile(path.join(ours, provider, file), "utf8")
    const changed = changedCard(
      text,
      cards.find(({ name }) => name === model),
      rows.filter((row) => row.model === model),
      agreed
    )
    if (changed !== text) texts.set(file, changed)
  }
  if (texts.size > 0) await fs.mkdir(path.join(folder, provider), { recursive: true })
  for (const [file, text] of texts) await fs.writeFile(path.join(folder, provider, file), text)
  return texts.size
}
