/** The operator's folder of agents, tools and skills: what is read of it, and what is wrong in it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import { placeOf, sentenceOf } from "../../src/domain/Definition.ts"
import { whole } from "../../src/layers/Catalog/Disk.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Folder from "../../src/layers/Catalog/Folder.ts"
import * as Memory from "../../src/layers/Catalog/Memory.ts"
import { contract } from "../contracts/CatalogContract.ts"
import { patience } from "../support/Patience.ts"

const made: Array<string> = []
afterAll(() => Promise.all(made.map((path) => rm(path, { recursive: true, force: true }))))

/** A folder with these files. */
const folderOf = async (files: Readonly<Record<string, string | Uint8Array>>) => {
  const root = await mkdtemp(join(tmpdir(), "stoa-catalog-"))
  made.push(root)
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return root
}

const readOf = async (files: Readonly<Record<string, string | Uint8Array>>) => Folder.read(await folderOf(files))

const faultsOf = async (files: Readonly<Record<string, string | Uint8Array>>) =>
  (await readOf(files)).faults.map(sentenceOf)

const agent = (front: string, body = "You are somebody.") => ({
  "agents/ada/AGENT.md": `---\n${front}\n---\n${body}\n`
})

const files = Effect.gen(function*() {
  const root = yield* Effect.promise(() => folderOf({ "agents/AGENTS.md": "" }))
  const catalog = yield* Files.make({ dir: root })
  const write = (name: string, text: string) =>
    Effect.promise(async () => {
      await mkdir(join(root, "agents", name), { recursive: true })
      await writeFile(join(root, "agents", name, "AGENT.md"), text)
    })
  return { catalog, write, spoil: write("broken", "") }
})

const memory = Effect.gen(function*() {
  const texts: Record<string, string> = {}
  const read = Effect.promise(async () => {
    const { book, faults } = await readOf(
      Object.fromEntries(Object.entries(texts).map(([name, text]) => [`agents/${name}/AGENT.md`, text]))
    )
    return "broken" in texts
      ? { book, faults: [whole("agents/broken", "It is broken.", "Mend it.")] }
      : { book, faults }
  })
  const catalog = yield* Memory.make(read)
  const write = (name: string, text: string) => Effect.sync(() => void (texts[name] = text))
  return { catalog, write, spoil: write("broken", "") }
})

describe("Catalogs", () => {
  contract("Files", files)
  contract("Memory", memory)
})

describe("A folder of definitions", () => {
  it("says everything that can be said of an agent", async () => {
    const { book, faults } = await readOf({
      "agents/AGENTS.md": "All agents are kind.",
      "agents/BEHAVIOR.md": "All agents are short.",
      "agents/ada/BEHAVIOR.md": "Ada counts.",
      "agents/ada/context/b.md": "Second.",
      "agents/ada/context/a.md": "First.",
      "agents/ada/context/picture.png": "no text",
      "agents/shared.md": "Third.",
      "agents/ada/MEMORY.md": "One.\nTwo.\nThree.",
      "agents/ada/memory/ada.md": "Ada likes tea.",
      "agents/bob/AGENT.md": "Only a text.",
      "skills/sums/SKILL.md": "---\nname: sums\ndescription: Adds.\ntools: [adder]\n---\nAdd.",
      "tools/adder/TOOL.md": `---
description: Adds two numbers
parameters:
  a: { type: number, description: The first, required: true }
  how: { enum: [fast, slow], default: fast }
command: echo 3
---
`,
      ...agent(
        `description: Off
display_name: Ada
tags: [math, off]
version: 1.5
skills: [sums]
tools: [CurrentTime]
model: { name: demo/demo-chat, temperature: 0.5, max_tokens: 100, fallback: [demo/demo-slow] }
schedules:
  - { name: daily, cron: "0 9 * * *", message: Count., timezone: Europe/Berlin, users: [ada] }
execution_mode: async
input_schema: { type: object, properties: { n: { type: integer } } }
output_schema: { type: object }
delegates_to: [bob]
context: [shared.md]
memory: { enabled: true, max_memory_md_lines: 2 }
enabled: true
users: [ada, eve]`,
        "You are Ada."
      )
    })
    assert.deepStrictEqual(faults, [])
    const ada = book.agents.get("ada")!
    // YAML 1.2: these are words.
    assert.deepStrictEqual([ada.front.description, ada.front.tags], ["Off", ["math", "off"]])
    assert.deepStrictEqual(ada.layers, {
      shared: ["All agents are kind.", "All agents are short."],
      own: ["You are Ada.", "Ada counts."],
      reference: [
        { name: "context/a.md", text: "First." },
        { name: "context/b.md", text: "Second." },
        { name: "shared.md", text: "Third." }
      ],
      memory: { all: "One.\nTwo.", of: new Map([["ada", "Ada likes tea."]]) }
    })
    assert.deepStrictEqual(book.agents.get("bob")!.layers.own, ["Only a text."])
    assert.deepStrictEqual(book.tools.get("adder")!.parameters, {
      type: "object",
      properties: {
        a: { type: "number", description: "The first" },
        how: { type: "string", enum: ["fast", "slow"], default: "fast" }
      },
      required: ["a"],
      additionalProperties: false
    })
  })

  it("refuses work that is handed round in a circle, once for each, and no way that ends", async () => {
    const to = (...names: ReadonlyArray<string>) => `---\ndelegates_to: [${names.join(", ")}]\n---\nYou.`
    const faults = await faultsOf({
      "agents/a/AGENT.md": to("b", "d"),
      "agents/b/AGENT.md": to("c", "d"),
      "agents/c/AGENT.md": to("a"),
      "agents/d/AGENT.md": to("e"),
      "agents/e/AGENT.md": "You."
    })
    assert.deepStrictEqual(faults, [
      "agents/c/AGENT.md: Work is handed round in a circle: a to b to c to a. Take a out of its delegates_to."
    ])
  })

  it("refuses a tool with the name of the one that hands work over", async () => {
    const text = "---\ndescription: A tool\ncommand: echo 3\n---\n"
    assert.include((await faultsOf({ "tools/delegate_to_agent/TOOL.md": text }))[0], "The server has a tool called")
  })

  it("refuses a personal agent that asks for nothing, or for what all users can give", async () => {
    assert.include((await faultsOf(agent("scope: personal")))[0], "has no setup_schema")
    assert.include(
      (await faultsOf(agent("scope: personal\nsetup_schema: { properties: { instructions: { type: string } } }")))[0],
      "asks for instructions"
    )
  })

  it("names the step that is wrong: an unknown tool, a reference to nothing or to a later step, a circle", async () => {
    const skill = (id: string, steps: string) => ({
      [`skills/${id}/SKILL.md`]: `---\ndescription: Does it.\n${steps}\n---\nDo it.\n`
    })
    const at = async (steps: string, others = {}) => await faultsOf({ ...skill("sums", steps), ...others })
    const adder = { "tools/adder/TOOL.md": "---\ndescription: Adds.\ncommand: echo 3\n---\n" }
    assert.deepStrictEqual(
      await at("steps:\n  - { name: a, tool: adder }\n  - { name: b, tools: [adder, addr] }", adder),
      [
        "skills/sums/SKILL.md:5:5: There is no tool called addr. Add it, or correct the name."
      ]
    )
    assert.deepStrictEqual(
      await at(
        `input_schema: { type: object, properties: { n: {} } }
steps:
  - name: a
    tool: adder
    input:
      one: $.input.m
      two: $.steps.b.output
      three: $.steps.c.output
      four: $.steps.b
  - { name: b, prompt: Say it., input: { a: $.steps.a.output } }
  - { name: a, prompt: Say it. }`,
        adder
      ),
      [
        "skills/sums/SKILL.md:8:12: $.input.m refers to nothing: the input has no m. Add it to input_schema, or correct it.",
        "skills/sums/SKILL.md:9:12: $.steps.b.output refers to a step that has not been done then. Move the step before this one.",
        "skills/sums/SKILL.md:10:14: $.steps.c.output refers to nothing: there is no step c. Add the step, or correct the name.",
        "skills/sums/SKILL.md:11:13: $.steps.b refers to nothing. Write $.input.<name> or $.steps.<name>.output.",
        "skills/sums/SKILL.md:13:13: Two steps are called a. Rename one of them."
      ]
    )
    const circle = await at("steps: [{ name: a, tool: more }]", skill("more", "steps: [{ name: a, tool: sums }]"))
    assert.deepStrictEqual(circle, [
      "skills/more/SKILL.md:3:9: A step comes back to the skill that it is a step of. Take it out.",
      "skills/sums/SKILL.md:3:9: A step comes back to the skill that it is a step of. Take it out."
    ])
    assert.match(
      (await at("steps: [{ name: a, tool: x, prompt: y }]"))[0] ?? "",
      /^skills\/sums\/SKILL.md:3:9: .*exactly one/
    )
    assert.match((await at("steps: [{ name: a, tool: x, inptu: {} }]"))[0] ?? "", /inptu/)
    assert.match(
      (await at("steps: [{ name: a, tool: sums }]", {
        ...adder,
        ...skill("adder", "steps: [{ name: a, prompt: b }]")
      }))[1] ?? "",
      /A step comes back/
    )
    const kept = {
      "tools/adder/TOOL.md": "---\ndescription: Adds.\ncommand: echo 3\npermissions: { allowed_agents: [bob] }\n---\n"
    }
    const bob = { "agents/bob/AGENT.md": "You are Bob." }
    assert.deepStrictEqual(
      await at("steps: [{ name: a, tool: adder }]", { ...kept, ...bob, ...agent("skills: [sums]") }),
      [
        "skills/sums/SKILL.md:3:9: The agent ada has this skill, and may not use the tool adder. Add the agent to allowed_agents of the tool."
      ]
    )
  })

  it("names file, line and column of each fault, and what to do", async () => {
    const at = async (front: string) => (await faultsOf(agent(front)))[0]
    assert.strictEqual(
      await at("description: x\nmodle: demo/demo-chat"),
      "agents/ada/AGENT.md:3:8: There is no field modle. Did you mean model?"
    )
    assert.strictEqual(
      await at("model:\n  name: demo/demo-chat\n  temperature: 3"),
      "agents/ada/AGENT.md:4:16: The field model.temperature is wrong: Expected a number between 0 and 2. Correct it."
    )
    assert.match(await at("tags: math") ?? "", /^agents\/ada\/AGENT\.md:2:7: The field tags is wrong/)
    assert.strictEqual(
      await at("a: 1\na: 2"),
      "agents/ada/AGENT.md:3:1: A field stands here twice. Keep one of them."
    )
    assert.match(await at("a: [1") ?? "", /^agents\/ada\/AGENT\.md:[23]:\d+: This is no YAML/)
    assert.match(await at("a: &x 1\nb: *x") ?? "", /The front matter has aliases/)
    assert.match(await at(`a: ${"[".repeat(100)}${"]".repeat(100)}`) ?? "", /nests too deep/)
    assert.match(await at("- 1") ?? "", /has no fields/)
    assert.match(
      await at("schedules: [{ name: a b, cron: x, message: y }]") ?? "",
      /:2:21: The field schedules\.0\.name/
    )
    assert.strictEqual(
      (await faultsOf({ "agents/ada/AGENT.md": "---\ndescription: x\n" }))[0],
      "agents/ada/AGENT.md:1:1: The front matter has no end. Put a line of --- behind it."
    )
  })

  it("is refused where something names what is not there, or is named twice", async () => {
    const one = async (front: string) => (await faultsOf(agent(front))).join("\n")
    assert.match(await one("skills: [flying]"), /There is no skill called flying/)
    assert.match(await one("delegates_to: [eve]"), /There is no agent called eve/)
    assert.match(await one("delegates_to: [ada]"), /hands work to itself/)
    assert.match(await one("tools: [flyer]"), /There is no tool called flyer/)
    assert.match(await one("tools: [CurentTime]"), /CurentTime, unless .* brings it\. Did you mean CurrentTime\?/)
    assert.strictEqual(await one("tools: [CurrentTime, Dice, mcp__a__read, delegate_to_agent, memory_save]"), "")
    assert.match(await one("context: [gone.md]"), /The context gone\.md is not there/)
    assert.match(await one("context: [../../etc/passwd]"), /Expected a path below/)
    const timed = "model: demo/demo-chat\nschedules: [{ name: a, cron: \"* * * * *\", message: y, input: { n: x } }]"
    assert.match(
      await one(`input_schema: { type: object, properties: { n: { type: integer } } }\n${timed}`),
      /^agents\/ada\/AGENT\.md:4:\d+: The input of the schedule a is not of input_schema: .*integer/
    )
    const root = await folderOf(agent("description: x"))
    const { faults } = await Folder.read(root, { taken: { agents: ["ada"], tools: new Set() } })
    assert.match(sentenceOf(faults[0]!), /The server's program has an agent called ada too/)
  })

  it("has no schedules that could not run", async () => {
    const entry = (more: string, cron = "* * * * *") => `{ name: a, cron: "${cron}", message: x${more} }`
    const one = async (schedules: string, front = "model: demo/demo-chat") =>
      (await faultsOf(agent(`${front}\nschedules: [${schedules}]`))).join("\n")
    const users = ", users: [ada]"
    assert.strictEqual(await one(entry(users)), "")
    assert.match(
      await one(entry(users, "* * * *")),
      /^agents\/ada\/AGENT\.md:3:30: The cron of the schedule a is wrong/
    )
    assert.match(await one(entry(users, "0 0 30 2 *")), /It never fires/)
    assert.match(await one(entry(users, "* * * * * *")), /Fires must be 10 seconds apart/)
    assert.match(await one(entry(`${users}, timezone: Mars/Base`)), /The timezone of the schedule a is wrong/)
    assert.match(await one(`${entry(users)}, ${entry(users)}`), /Two schedules are called a/)
    assert.match(await one(entry(users), "tags: []"), /An agent with schedules has no model/)
    assert.match(
      await one(entry(users), "model: demo/demo-chat\nusers: [bob]"),
      /runs for ada, who does not have the agent/
    )
    // Warnings: nothing is wrong, and nothing happens.
    assert.match(await one(entry("")), /The schedule a runs for nobody\. Name its users, such as `users: \[local\]`/)
    assert.strictEqual(await one(entry(""), "model: demo/demo-chat\nusers: [bob]"), "")
    const many = Array.from({ length: 64 }, (_, i) => `{ name: a${i}, cron: "* * * * *", message: x }`)
    const tenants = Array.from({ length: 200 }, (_, i) => `u${i}`)
    assert.match(
      await one(many.join(", "), `model: demo/demo-chat\nusers: [${tenants.join(", ")}]`),
      /There are 12800 schedules, each counted for each of its users, and may be 10000/
    )
  })

  it("tells nobody of runs who cannot be told", async () => {
    const reachable = { receivers: { names: new Set(["ops"]), mails: false } }
    const one = async (target: string) => {
      const root = await folderOf(agent(`notifications: { on_error: [{ ${target} }] }`))
      return (await Folder.read(root, reachable)).faults.map(sentenceOf).join("\n")
    }
    assert.strictEqual(await one("channel: webhook, target: ops"), "")
    assert.strictEqual(await one("channel: slack, url: \"https://slack.example/x\""), "")
    assert.match(await one("channel: webhook, target: obs"), /There is no receiver called obs/)
    assert.match(await one("channel: webhook"), /Expected a url, or the name of a receiver/)
    assert.match(await one("channel: webhook, url: \"ftp://x\""), /Expected an address such as/)
    assert.match(await one("channel: email, target: ada"), /Expected an e-mail address as the target/)
    assert.match(await one("channel: email, target: ada@example.com"), /this server sends none/)
    assert.match(await one("channel: slack, target: ops, payload_template: \"{}\""), /of a webhook only/)
    assert.match(await one("channel: webhook, target: ops, payload_template: \"{{reply}}\""), /is no JSON/)
    assert.match(await one("channel: pager, target: ops"), /The field notifications/)
  })

  it("does no harm however it is filled", async () => {
    const secret = await folderOf({ secret: "a secret" })
    const root = await folderOf({
      "agents/BAD NAME/AGENT.md": "x",
      "agents/binary/AGENT.md": new Uint8Array([0xff, 0xfe, 0]),
      "agents/empty/AGENT.md": "---\ndescription: x\n---\n  \n",
      "agents/huge/AGENT.md": "x".repeat(300 * 1024),
      "agents/nothing/README.md": "",
      "tools/both/TOOL.md": "---\ndescription: x\ncommand: ls\n---\n",
      "tools/both/handler.mjs": "",
      "tools/none/TOOL.md": "---\ndescription: x\n---\n",
      "skills/other/SKILL.md": "---\nname: another\ndescription: x\n---\n",
      ".hidden/AGENT.md": "x",
      "agents/.git/AGENT.md": ""
    })
    await symlink(join(secret, "secret"), join(root, "agents", "AGENTS.md"))
    await mkdir(join(root, "agents/linked"))
    await symlink(join(secret, "secret"), join(root, "agents/linked/AGENT.md"))
    await symlink(secret, join(root, "agents/folder"))
    await mkdir(join(root, "agents/round"))
    await symlink("AGENT.md", join(root, "agents/round/AGENT.md"))
    const { book, faults } = await Folder.read(root)
    assert.deepStrictEqual(faults.map((fault) => `${placeOf(fault)} ${fault.message}`), [
      "agents/AGENTS.md This leads out of the folder of definitions.",
      "agents/BAD NAME The name of the folder is no name of a definition.",
      "agents/binary/AGENT.md The file is no text in UTF-8.",
      "agents/empty/AGENT.md The agent is told nothing.",
      "agents/folder This leads out of the folder of definitions.",
      "agents/huge/AGENT.md The file has more than 262144 bytes.",
      "agents/linked/AGENT.md This leads out of the folder of definitions.",
      "agents/nothing There is no AGENT.md.",
      "agents/round/AGENT.md This is a link that leads to itself.",
      "skills/other/SKILL.md The skill is called another, and its folder other.",
      "tools/both The tool has a command and a handler.",
      "tools/none The tool has nothing that runs."
    ])
    assert.strictEqual(book.agents.size, 0)
    assert.match((await Folder.read(join(root, "gone"))).faults.map(sentenceOf).join(), /There is no such folder/)
    assert.match(
      (await Folder.read(join(root, "agents/empty/AGENT.md"))).faults.map(sentenceOf).join(),
      /This is no folder/
    )
  })

  it("of a thousand agents is read within two seconds", async () => {
    const root = await folderOf(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [
      `agents/agent-${i}/AGENT.md`,
      `---\ndescription: Number ${i}\nmodel: demo/demo-chat\ntags: [a, b]\n---\nYou are number ${i}.`
    ])))
    const took: Array<number> = []
    // Twice: what else runs on the machine may slow one of them.
    for (const _ of [1, 2]) {
      const begun = performance.now()
      // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
      const { book, faults } = await Folder.read(root)
      took.push(performance.now() - begun)
      assert.deepStrictEqual([book.agents.size, faults.length], [1_000, 0])
    }
    assert.isBelow(Math.min(...took), patience(2_000))
  })
})
