/** `npm run cards:check`, against small lists that lie in a folder. */
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

const script = Path.resolve("scripts/cards.mjs")

/** Files by their names under a new folder. */
const folderOf = (files: Readonly<Record<string, string>>) => {
  const folder = Fs.mkdtempSync(Path.join(tmpdir(), "stoa-cards-test-"))
  for (const [name, text] of Object.entries(files)) {
    Fs.mkdirSync(Path.dirname(Path.join(folder, name)), { recursive: true })
    Fs.writeFileSync(Path.join(folder, name), text)
  }
  return folder
}

const run = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  new Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>((resolve, reject) => {
    const { npm_execpath: _, ...inherited } = process.env
    const child = spawn(process.execPath, [script, ...args], { env: { ...inherited, ...env } })
    let [out, err] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => out += text)
    child.stderr.setEncoding("utf8").on("data", (text: string) => err += text)
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, out, err }))
  })

const model = (id: string, more: object = {}) => ({
  id,
  name: id.toUpperCase(),
  type: "chat",
  reasoning: false,
  input: ["text"],
  contextWindow: 1000,
  maxTokens: 100,
  cost: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 },
  ...more
})

const card = (name: string, more = "") =>
  `type: chat_model\n# Kept.\nname: ${name}\nlabel: ${name}\nstatus: active\ninput_types: [text/plain]\n` +
  `output_types: [text/plain]\ncontext_size: 1000\noutput_size: 100\nprices:\n  input: 1\n  output: 2\n${more}`

/** The second list, with these prices by model: `[input, output, cached]`. */
const prices = (known: Readonly<Record<string, ReadonlyArray<number>>>) =>
  `const known = ${JSON.stringify(known)}
export const calcPrice = (usage, id) => known[id] && ({
  model: { id },
  model_price: { input_mtok: known[id][0], output_mtok: known[id][1], cache_read_mtok: known[id][2] }
})`

const checkOf = async (
  { cards, known = "{}", models, second = {} }: {
    readonly cards: Readonly<Record<string, string>>
    readonly models: ReadonlyArray<object>
    readonly second?: Readonly<Record<string, ReadonlyArray<number>>>
    readonly known?: string
  },
  ...args: ReadonlyArray<string>
) => {
  const folder = folderOf({
    "models/xai.json": JSON.stringify({ wire: Object.fromEntries(models.map((one, i) => [`chat:${i}`, one])) }),
    "prices/index.js": prices(second),
    "package.json": "{\"type\": \"module\"}",
    "known.yaml": known,
    ...Object.fromEntries(Object.entries(cards).map(([name, text]) => [`cards/xai/${name}.yaml`, text]))
  })
  const at = (name: string) => Path.join(folder, name)
  const given = { from: folder, cards: at("cards"), drafts: at("drafts"), known: at("known.yaml"), only: "xai" }
  const told = await run([...Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]), ...args])
  const drafts = Fs.existsSync(at("drafts/xai"))
    ? Object.fromEntries(
      Fs.readdirSync(at("drafts/xai")).map((name) => [name, Fs.readFileSync(at(`drafts/xai/${name}`), "utf8")])
    )
    : {}
  Fs.rmSync(folder, { recursive: true })
  return { ...told, drafts }
}

describe("the check of the cards", () => {
  it("ends with 0 and says so where nothing differs", async () => {
    const { code, drafts, out } = await checkOf({ cards: { a: card("a") }, models: [model("a")] })
    assert.strictEqual(code, 0, out)
    assert.include(out, "Nothing is to be decided.")
    assert.deepStrictEqual(drafts, {})
  })

  it("tells each difference, who says it, models without a card and cards of no model", async () => {
    const changed = model("a", { contextWindow: 2000, cost: { input: 3, output: 4, cacheRead: 0.5, cacheWrite: 0 } })
    const { code, out } = await checkOf({
      cards: { a: card("a"), b: card("b") },
      models: [changed, model("c"), model("d", { type: "image" })],
      second: { a: [3, 5, 0.5], c: [1, 2] }
    }, "--json")
    assert.strictEqual(code, 1)
    const { providers: [{ missing, rows, unknown }] } = JSON.parse(out)
    assert.deepStrictEqual(
      rows.map((
        { card, field, list, second, verdict }: Record<string, unknown>
      ) => [field, card, list, second, verdict]),
      [
        ["context_size", 1000, 2000, undefined, "one source"],
        ["prices.input", 1, 3, 3, "agreed"],
        ["prices.output", 2, 4, 5, "disputed"],
        ["prices.cached_input", 1, 0.5, 0.5, "agreed"]
      ]
    )
    assert.deepStrictEqual(
      unknown.map(({ agreed, model }: { agreed: boolean; model: { name: string } }) => [model.name, agreed]),
      [
        ["c", true]
      ]
    )
    assert.deepStrictEqual(missing, ["b"])
  })

  it("writes drafts that keep what the card says besides, and leave out what is disputed", async () => {
    const tiers = [{ inputTokensAbove: 200, input: 6, output: 8, cacheRead: 0.6, cacheWrite: 0 }]
    const changed = model("a", {
      contextWindow: 2000,
      cost: { input: 3, output: 4, cacheRead: 0.5, cacheWrite: 0, tiers }
    })
    const check = {
      cards: { a: card("a", "parameters_overrides:\n  top_p: null\n") },
      models: [changed, model("x/c:1", { reasoning: true, input: ["text", "image"] })],
      second: { a: [3, 9, 0.5] }
    }
    const { drafts } = await checkOf(check)
    assert.strictEqual(
      drafts["a.yaml"],
      card("a", "parameters_overrides:\n  top_p: null\n").replace("context_size: 1000", "context_size: 2000")
        .replace("input: 1\n", "input: 3\n").replace("output: 2\n", "output: 2\n  cached_input: 0.5\n")
    )
    assert.include(drafts["x--c_1.yaml"], "input_types: [text/plain, image/jpeg, image/png, image/gif, image/webp]\n")
    assert.include(drafts["x--c_1.yaml"], "output_types: [text/plain, application/x-thinking]\n")
    const agreed = (await checkOf(check, "--agreed")).drafts
    assert.deepStrictEqual(Object.keys(agreed), ["a.yaml"])
    assert.include(agreed["a.yaml"], "context_size: 1000\n")
  })

  it("is silent about what a person has decided, until a list says something new", async () => {
    const check = (known: string) =>
      checkOf({
        cards: { a: card("a"), b: card("b") },
        models: [model("a", { contextWindow: 2000 }), model("c")],
        known
      })
    const rest = ", skip: [c], gone: [b] }"
    const decided = ["2000", "any", "1500"].map((size) =>
      check(`xai: { accepted: { a: { context_size: ${size} } }${rest}`)
    )
    assert.deepStrictEqual((await Promise.all(decided)).map(({ code }) => code), [0, 0, 1])
  })

  it("knows a model under its other names, and tells when one of them has moved on", async () => {
    const check = (size: number) =>
      checkOf({
        cards: { a: card("a", "aliases: [a-2]\n") },
        models: [model("a"), model("a-latest"), model("a-2", { contextWindow: size, maxTokens: 5 })]
      })
    const [same, moved] = await Promise.all([check(1000), check(5)])
    assert.strictEqual(same.code, 0, same.out)
    assert.strictEqual(moved.code, 1)
    assert.match(moved.out, /xai +a +a-2: context_size +1000 +5 +- +moved\?/)
    assert.deepStrictEqual(moved.drafts, {})
  })

  it("ends with 2 and a sentence where the lists cannot be had or read", async () => {
    const bin = folderOf({ npm: "#!/bin/sh\necho 'getaddrinfo ENOTFOUND the-registry' >&2\nexit 1\n" })
    Fs.chmodSync(Path.join(bin, "npm"), 0o755)
    const offline = await run(["--drafts", Path.join(bin, "drafts")], { PATH: `${bin}:${process.env["PATH"]}` })
    assert.strictEqual(offline.code, 2)
    assert.match(
      offline.err,
      /^The lists cannot be fetched from the package registry; is this machine offline\? \(.*ENOTFOUND/
    )
    Fs.rmSync(bin, { recursive: true })
    for (const args of [["--from", "/nowhere"], ["--only", "nobody"], ["--wrong"]]) {
      const { code, err } = await run(args)
      assert.strictEqual(code, 2, args.join(" "))
      assert.match(err, /^\S.*\n/)
      assert.notInclude(err, "    at ")
    }
    const changedForm = await checkOf({ cards: {}, models: [] })
    assert.strictEqual(changedForm.code, 2)
    assert.include(changedForm.err, "its form has changed")
  })
})
